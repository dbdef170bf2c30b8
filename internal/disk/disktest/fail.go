package disktest

import (
	"errors"
	"slices"
	"sync"

	"github.com/postroom-go/postroom/internal/disk"
)

// ErrHalted is an error for [FailAt] with [Everything]: the computer has no power
// any more.
var ErrHalted = errors.New("no operation is done any more")

// Again says which operations fail after the first that did.
type Again int

const (
	// Once fails one operation.
	Once Again = iota
	// SameKind fails all later ones of the same kind too: a disk that is full,
	// a directory that may not be written.
	SameKind
	// Everything fails all later ones, those that only look too, but closes
	// files: what is on the disk does not change any more.
	Everything
)

// FailAt returns d with the n-th operation that changes something, from 0 on,
// failing with err, and those after it that again says. A [*ShortWrite] fails a
// KindWrite half-done. Whatever err is, it is there for errors.Is.
func FailAt(d disk.Dir, n int, err error, again Again) disk.Dir {
	var (
		mu     sync.Mutex
		failed Kind
	)
	return Hook(d, func(op Op) error {
		if op.After {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case op.Changes && op.N == n:
			failed = op.Kind
		case failed == "" || again == Once || again == SameKind && op.Kind != failed:
			return nil
		}
		return err
	})
}

// Log is the operations that change something and have succeeded, in the order in
// which they ended. Its methods are safe for concurrent use.
type Log struct {
	mu  sync.Mutex
	ops []Op
}

// Record returns d, and a log of what is done to it from now on.
func Record(d disk.Dir) (disk.Dir, *Log) {
	log := &Log{}
	return Hook(d, func(op Op) error {
		if op.Changes && op.After && op.Err == nil {
			log.mu.Lock()
			defer log.mu.Unlock()
			log.ops = append(log.ops, op)
		}
		return nil
	}), log
}

// Ops returns a copy of the log.
func (l *Log) Ops() []Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ops)
}

// Reset empties the log.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ops = nil
}
