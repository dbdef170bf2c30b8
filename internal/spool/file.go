package spool

import (
	"fmt"
	"io"
	"os"
)

// file is what a temporary file must do. Closing it removes it.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// createFile makes temporary files; tests put failing ones in its place.
type createFile func(dir string) (file, error)

// tempFile is a file without a name, or one whose name goes away with it.
type tempFile struct {
	*os.File
	name string // to be removed at Close; empty if it is gone already
}

// newTempFile makes a temporary file of mode 0600 in dir, or in os.TempDir if
// dir is empty, and unlinks it. Where an open file cannot be unlinked it is
// removed by Close.
func newTempFile(dir string) (file, error) {
	f, err := os.CreateTemp(dir, "postroom-*")
	if err != nil {
		return nil, err
	}
	t := &tempFile{File: f}
	if os.Remove(f.Name()) != nil {
		t.name = f.Name()
	}
	return t, nil
}

// Close frees the file. A Read or Write that is under way is not disturbed.
func (t *tempFile) Close() error {
	err := t.File.Close()
	if t.name != "" {
		if rerr := os.Remove(t.name); err == nil {
			err = rerr
		}
	}
	return err
}

// writeAll writes p at off, whole or with an error.
func writeAll(f file, p []byte, off int64) error {
	n, err := f.WriteAt(p, off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return diskError(err)
	}
	return nil
}

// readSome reads up to len(p) octets at off, all of which were written before:
// an end of the file is no end of the body.
func readSome(f file, p []byte, off int64) (int, error) {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, diskError(err)
}

func diskError(err error) error { return fmt.Errorf("spool: temporary file: %w", err) }
