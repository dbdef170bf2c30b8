package disk

import (
	"errors"
	"io/fs"
	"sync"
)

// syncers is how many files are synced at a time: a disk writes the journal of
// its file system once for all that wait.
const syncers = 8

// syncEach calls sync for each name, some at a time, and returns an error if
// there was one. After an error it begins no more.
func syncEach(names []string, sync1 func(name string) error) error {
	if len(names) == 0 {
		return nil
	}
	var (
		mu     sync.Mutex
		failed error
		wait   sync.WaitGroup
	)
	next := func() (name string, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if failed != nil || len(names) == 0 {
			return "", false
		}
		name, names = names[0], names[1:]
		return name, true
	}
	work := func() {
		for {
			name, ok := next()
			if !ok {
				return
			}
			if err := sync1(name); err != nil {
				mu.Lock()
				if failed == nil {
					failed = err
				}
				mu.Unlock()
			}
		}
	}
	for range min(syncers, len(names)) - 1 {
		wait.Go(work)
	}
	work()
	wait.Wait()
	return failed
}

func isExist(err error) bool    { return errors.Is(err, fs.ErrExist) }
func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
