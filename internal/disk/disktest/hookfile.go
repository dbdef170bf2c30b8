package disktest

import (
	"errors"
	"io/fs"

	"github.com/postroom-go/postroom/internal/disk"
)

// hookFile is an open file of a hook.
type hookFile struct {
	f       disk.File
	shared  *hookShared
	name    string
	changes bool
}

func (h *hookFile) look(kind Kind, do func() error) error {
	return h.shared.around(Op{Kind: kind, Name: h.name}, do)
}

func (h *hookFile) Read(p []byte) (n int, err error) {
	err = h.look(KindRead, func() (err error) { n, err = h.f.Read(p); return err })
	return n, err
}

func (h *hookFile) ReadAt(p []byte, at int64) (n int, err error) {
	err = h.look(KindRead, func() (err error) { n, err = h.f.ReadAt(p, at); return err })
	return n, err
}

func (h *hookFile) Write(p []byte) (int, error) {
	return h.write(p, h.f.Write)
}

func (h *hookFile) WriteAt(p []byte, at int64) (int, error) {
	return h.write(p, func(p []byte) (int, error) { return h.f.WriteAt(p, at) })
}

func (h *hookFile) write(p []byte, write func([]byte) (int, error)) (n int, err error) {
	op := Op{Kind: KindWrite, Name: h.name, Size: int64(len(p)), Changes: true}
	err = h.shared.before(&op)
	if short, ok := errors.AsType[*ShortWrite](err); ok {
		n, writeErr := write(p[:max(0, min(short.N, len(p)))])
		if writeErr != nil {
			err = writeErr
		}
		return n, h.shared.after(op, err)
	}
	if err != nil {
		return 0, err
	}
	n, err = write(p)
	return n, h.shared.after(op, err)
}

func (h *hookFile) Sync() error {
	op := Op{Kind: KindSync, Name: h.name, Changes: true}
	if err := h.shared.before(&op); err != nil {
		h.lose()
		return err
	}
	return h.shared.after(op, h.f.Sync())
}

// lose passes on that a Sync failed.
func (h *hookFile) lose() {
	if l, ok := h.f.(interface{ lose() }); ok {
		l.lose()
	}
}

func (h *hookFile) Truncate(size int64) error {
	return h.shared.around(Op{Kind: KindTruncate, Name: h.name, Size: size, Changes: true}, func() error { return h.f.Truncate(size) })
}

func (h *hookFile) Stat() (info fs.FileInfo, err error) {
	err = h.look(KindStat, func() (err error) { info, err = h.f.Stat(); return err })
	if err != nil {
		return nil, err
	}
	return info, nil
}

func (h *hookFile) Lock() error {
	return h.look(KindLock, h.f.Lock)
}

func (h *hookFile) Close() error {
	op := Op{Kind: KindClose, Name: h.name, Changes: h.changes}
	if err := h.shared.before(&op); err != nil {
		_ = h.f.Close()
		return err
	}
	return h.shared.after(op, h.f.Close())
}
