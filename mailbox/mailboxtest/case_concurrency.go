package mailboxtest

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/postroom-go/postroom/mailbox"
)

func concurrencyCases() []testCase {
	return []testCase{
		{"concurrency/reads", "All methods are safe for concurrent use: reading.", nil, concurrentReads},
		{"concurrency/changes", "All methods are safe for concurrent use: changing.", nil, concurrentChanges},
		{"concurrency/same-message", "One message may be read by many at a time.", nil, concurrentSame},
		{"concurrency/delete-same", "One message may be deleted by many at a time.", []string{"delete"}, concurrentDelete},
		{"concurrency/close", "Close ends every call under way with ErrClosed.", nil, concurrentClose},
	}
}

// workers is how many goroutines use a mailbox at a time.
const workers = 8

// together runs f in several goroutines.
func together(n int, f func(g int)) {
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() { f(g) })
	}
	wg.Wait()
}

// try records an error, in any goroutine.
func (t *tester) try(what string, err error) bool {
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return err == nil
}

func concurrentReads(t *tester) {
	ids := t.fill(10)
	together(workers, func(g int) {
		for i := range ids {
			n := (g + i) % len(ids)
			raw, err := readAll(t.ctx, t.box, ids[n], nil)
			if t.try("Open", err) {
				t.same("a message read beside others", raw, numbered(n))
			}
			head, err := readAll(t.ctx, t.box, ids[n], &mailbox.OpenOptions{HeaderOnly: true})
			if t.try("Open with HeaderOnly", err) {
				t.same("a header read beside others", head, header(numbered(n)))
			}
		}
		all, err := collect(t.box.List(t.ctx, mailbox.Inbox, nil))
		if t.try("List", err) && !slices.Equal(idsOf(all), ids) {
			t.Errorf("a list beside others gives %v", idsOf(all))
		}
		_, err = collect(t.box.Folders(t.ctx, nil))
		t.try("Folders", err)
		for m, err := range mailbox.Fetch(t.ctx, t.box, ids, nil) {
			if !t.try("Fetch", err) {
				return
			}
			raw, err := io.ReadAll(m.Body)
			if n := slices.Index(ids, m.ID); t.try("reading a body", err) && n >= 0 {
				t.same("a message fetched beside others", raw, numbered(n))
			}
		}
	})
}

func concurrentChanges(t *tester) {
	ids := t.fill(workers)
	var want []int
	together(workers, func(g int) {
		switch {
		case g%2 == 0 && t.caps.Delete:
			t.try("Delete", t.box.Delete(t.ctx, ids[g:g+1], nil))
		case t.caps.Flags:
			t.try("SetFlags", mailbox.SetFlags(t.ctx, t.box, ids[g:g+1], mailbox.FlagChange{Add: flags(mailbox.FlagFlagged)}, nil))
		}
		raw, err := readAll(t.ctx, t.box, ids[(g/2)*2+1], nil)
		if t.try("Open", err) {
			t.same("a message beside changes", raw, numbered((g/2)*2+1))
		}
		if t.caps.Append {
			_, err := mailbox.Append(t.ctx, t.box, mailbox.Inbox, bytes.NewReader(numbered(100)), nil)
			t.try("Append", err)
		}
	})
	for g := range workers {
		if g%2 == 1 || !t.caps.Delete {
			want = append(want, g)
		}
		if g%2 == 1 && t.caps.Flags {
			t.wantFlags(ids[g], flags(mailbox.FlagFlagged), nil)
		}
	}
	for range workers {
		if t.caps.Append {
			want = append(want, 100)
		}
	}
	t.wantNumbers(mailbox.Inbox, want...)
}

func concurrentSame(t *tester) {
	raw, parts := multipartSeed()
	id := t.one(raw)
	together(workers, func(g int) {
		p := parts[g%len(parts)]
		t.wantSeedPart(id, p, nil)
		got, err := readAll(t.ctx, t.box, id, nil)
		if t.try("Open", err) {
			t.same("a message that many read", got, raw)
		}
	})
}

func concurrentDelete(t *tester) {
	ids := t.fill(4)
	together(workers, func(int) { t.try("Delete", t.box.Delete(t.ctx, pick(ids, 1, 2), nil)) })
	t.wantNumbers(mailbox.Inbox, 0, 3)
}

func concurrentClose(t *tester) {
	const readers = 3 // they spin until Close gets its turn
	ids := t.fill(4)
	var ready, wg sync.WaitGroup
	ready.Add(readers)
	for g := range readers {
		wg.Go(func() {
			_, err := readAll(t.ctx, t.box, ids[g], nil)
			ready.Done()
			for i := g; err == nil; i++ {
				_, err = readAll(t.ctx, t.box, ids[i%len(ids)], nil)
				runtime.Gosched()
			}
			if !errors.Is(err, mailbox.ErrClosed) {
				t.Errorf("a read during Close ends with %q, want ErrClosed", err)
			}
		})
	}
	ready.Wait()
	t.closeNow()
	wg.Wait()
}
