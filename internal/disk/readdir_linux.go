package disk

import (
	"bytes"
	"encoding/binary"
	"io/fs"

	"golang.org/x/sys/unix"
)

// ReadDir asks for names and types only, much at a time.
func (d *linuxDir) ReadDir(name string) ([]fs.DirEntry, error) {
	fd, err := d.openDir("readdir", name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var entries []fs.DirEntry
	buf := make([]byte, 64<<10)
	for {
		var n int
		err := retry(func() (err error) { n, err = unix.Getdents(fd, buf); return err })
		if err != nil {
			return nil, wrap("readdir", name, err)
		}
		if n == 0 {
			return entries, nil
		}
		if entries, err = d.parse(entries, fd, name, buf[:n]); err != nil {
			return nil, err
		}
	}
}

// What is where in a struct linux_dirent64.
const (
	direntLength = 16 // two octets
	direntType   = 18
	direntName   = 19
)

// parse appends the entries in buf. One string holds all their names.
func (d *linuxDir) parse(entries []fs.DirEntry, fd int, dir string, buf []byte) ([]fs.DirEntry, error) {
	text := string(buf)
	block := make([]linuxEntry, 0, len(buf)/24)
	for at := 0; at < len(buf); {
		length := int(binary.NativeEndian.Uint16(buf[at+direntLength:]))
		kind := buf[at+direntType]
		start := at + direntName
		name := text[start : start+bytes.IndexByte(buf[start:at+length], 0)]
		at += length
		if name == "." || name == ".." {
			continue
		}
		e := linuxEntry{d: d, dir: dir, name: name}
		if kind == unix.DT_UNKNOWN {
			// Some file systems do not keep types in directories.
			var st unix.Stat_t
			if err := statAt(fd, name, &st); err == unix.ENOENT {
				continue
			} else if err != nil {
				return nil, wrap("readdir", dir, err)
			}
			kind = uint8(st.Mode & unix.S_IFMT >> 12)
		}
		e.kind = kind
		block = append(block, e)
	}
	for i := range block {
		entries = append(entries, &block[i])
	}
	return entries, nil
}

// linuxEntry is a name in a directory. kind is as in getdents(2): a mode's bits.
type linuxEntry struct {
	d         *linuxDir
	dir, name string
	kind      uint8
}

func (e *linuxEntry) Name() string { return e.name }
func (e *linuxEntry) IsDir() bool  { return e.kind == unix.DT_DIR }

func (e *linuxEntry) Type() fs.FileMode {
	return (&linuxInfo{st: unix.Stat_t{Mode: uint32(e.kind) << 12}}).Mode()
}

// Info describes what has the name when it is called.
func (e *linuxEntry) Info() (fs.FileInfo, error) {
	if e.dir == "." {
		return e.d.Lstat(e.name)
	}
	return e.d.Lstat(e.dir + "/" + e.name)
}
