package disk

import (
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"
)

// refusal is why a name is refused. It is fs.ErrInvalid for errors.Is.
type refusal string

const (
	errName      refusal = "the name leads out of the directory or is not plain: use names with single slashes, without . and .."
	errLink      refusal = "a symbolic link is there: remove it, links are not followed"
	errIrregular refusal = "what is there is not a regular file: move it away"
	errReplaced  refusal = "the directory was replaced while it was in use: open it again"
)

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == fs.ErrInvalid }

// CheckName returns nil if Dir takes name, else an *fs.PathError of op and name
// that is fs.ErrInvalid. "." is the directory itself. Names need not be UTF-8.
func CheckName(op, name string) error {
	if plain(name) && (runtime.GOOS != "windows" || !strings.Contains(name, `\`) && filepath.IsLocal(name)) {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: errName}
}

// plain says that every element of name is one, and neither . nor .. .
func plain(name string) bool {
	if name == "." {
		return true
	}
	if strings.IndexByte(name, 0) >= 0 {
		return false
	}
	for {
		element, rest, more := strings.Cut(name, "/")
		if element == "" || element == "." || element == ".." {
			return false
		}
		if !more {
			return true
		}
		name = rest
	}
}

// refuse is the error about name, which is not what op needs.
func refuse(op, name string, info fs.FileInfo) error {
	err := errIrregular
	if info.Mode()&fs.ModeSymlink != 0 {
		err = errLink
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
