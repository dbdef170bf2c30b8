package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Open opens a directory that is there, fs.ErrNotExist if it is not. What path
// itself leads through, links included, is the caller's affair: only what lies
// below is guarded.
func Open(path string) (Dir, error) { return open(path) }

// OpenNew is Open for a directory that may have to be made, mode 0700 whatever
// the umask, with its parents. What it makes is durable when it returns.
func OpenNew(path string) (Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := makeAll(path); err != nil {
		return nil, err
	}
	return open(path)
}

// makeAll makes path and its parents. It syncs the directory above the topmost
// that was there too: that one may have been made just before the process died.
func makeAll(path string) error {
	parent := filepath.Dir(path)
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrNotExist) && parent != path {
		if err := makeAll(parent); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	info, statErr := os.Stat(path)
	switch {
	case err != nil && (statErr != nil || !info.IsDir()):
		return err
	case statErr != nil:
		return statErr
	case err == nil && info.Mode()&0o700 != 0o700:
		if err := os.Chmod(path, 0o700); err != nil {
			return err
		}
	}
	made := err == nil
	above, err := os.Open(parent)
	if err != nil {
		if !made && errors.Is(err, fs.ErrPermission) {
			return nil // so it was somebody else who made path
		}
		return err
	}
	defer above.Close()
	return syncDir(above)
}
