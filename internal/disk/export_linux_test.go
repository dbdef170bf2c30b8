package disk

import (
	"encoding/binary"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenOld is Open where there is no renameat2(2).
func OpenOld(path string) (Dir, error) {
	d, err := open(path)
	if err == nil {
		d.(*linuxDir).calls.renameat2 = func(int, string, int, string, uint) error { return unix.ENOSYS }
	}
	return d, err
}

// OpenOldest is Open where there are no hard links either.
func OpenOldest(path string) (Dir, error) {
	d, err := OpenOld(path)
	if err == nil {
		d.(*linuxDir).calls.linkat = func(int, string, int, string, int) error { return unix.EPERM }
	}
	return d, err
}

// Kept is how many directories are kept open besides the top.
func Kept(d Dir) int { return len(d.(*linuxDir).kept) }

// SetSyncs has d call others than fsync(2) and syncfs(2), and trust them.
func SetSyncs(d Dir, fsync, syncfs func(fd int) error) {
	d.(*linuxDir).calls.fsync, d.(*linuxDir).calls.syncfs = fsync, syncfs
	d.(*linuxDir).syncWhole = can
}

// SetElsewhere has all that d keeps be on another file system.
func SetElsewhere(d Dir) {
	for _, h := range d.(*linuxDir).kept {
		h.dev++
	}
}

// Since58 is what SyncFiles asks about the kernel.
func Since58(release string) bool { return since58([]byte(release)) }

// Trusted is what SyncFiles asks about both.
func Trusted(d Dir) bool { return trusted(d.(*linuxDir).top.fd) }

// Local is what SyncFiles asks about the file system.
func Local(magic uint32) bool { return local(magic) }

// Untyped is the entries of a directory as a file system gives them that keeps no
// types, from its names.
func Untyped(d Dir, names ...string) ([]fs.DirEntry, error) {
	var buf []byte
	for _, name := range names {
		record := make([]byte, direntName, 300)
		record = append(record, name+strings.Repeat("\x00", 8-(direntName+len(name))%8)...)
		binary.NativeEndian.PutUint16(record[direntLength:], uint16(len(record)))
		buf = append(buf, record...)
	}
	top := d.(*linuxDir).top.fd
	return d.(*linuxDir).parse(nil, top, ".", buf)
}
