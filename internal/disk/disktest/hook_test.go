package disktest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errTest = errors.New("made by a test")

// one is what an Op says, as a line.
func one(op Op) string {
	s := fmt.Sprintf("%s %s", op.Kind, op.Name)
	if op.To != "" {
		s += " to " + op.To
	}
	if op.Names != nil {
		s += strings.Join(op.Names, ",")
	}
	if op.Size != 0 {
		s += fmt.Sprint(" ", op.Size)
	}
	if op.Changes {
		s += fmt.Sprint(" #", op.N)
	} else {
		s += fmt.Sprint(" ?", op.N)
	}
	if op.After {
		s += " done"
		if op.Err != nil {
			s += " badly"
		}
	}
	return s
}

func TestHook(t *testing.T) {
	var got []string
	d := Hook(NewMem(512), func(op Op) error { got = append(got, one(op)); return nil })
	did := func(want ...string) {
		t.Helper()
		var all []string
		for _, w := range want {
			w, bad := strings.CutSuffix(w, " badly")
			all = append(all, w, w+" done")
			if bad {
				all[len(all)-1] += " badly"
			}
		}
		assert.Equal(t, all, got)
		got = nil
	}
	require.NoError(t, d.Mkdir("a"))
	require.NoError(t, d.Mkdir("a/b"))
	did("mkdir a #0", "mkdir a/b #1")
	sub, err := d.Sub("a")
	require.NoError(t, err)
	sub, err = sub.Sub("b")
	require.NoError(t, err)
	did("sub a ?0", "sub a/b ?1")
	f, err := sub.Create("f")
	require.NoError(t, err)
	_, err = f.Write([]byte("abc"))
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("x"), 1)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(2))
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	did("create a/b/f #2", "write a/b/f 3 #3", "write a/b/f 1 #4", "truncate a/b/f 2 #5", "sync a/b/f #6", "close a/b/f #7")
	f, err = sub.Open("f")
	require.NoError(t, err)
	text, err := io.ReadAll(f)
	require.NoError(t, err)
	assert.Equal(t, "ax", string(text))
	_, err = f.ReadAt(make([]byte, 1), 0)
	require.NoError(t, err)
	_, err = f.Stat()
	require.NoError(t, err)
	require.NoError(t, f.Lock())
	require.NoError(t, f.Close())
	did("open a/b/f ?2", "read a/b/f ?3", "read a/b/f ?4 badly", "read a/b/f ?5", "stat a/b/f ?6", "lock a/b/f ?7", "close a/b/f ?8")
	f, err = sub.OpenRW("f")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, sub.Move("f", "g"))
	require.NoError(t, sub.Replace("g", "h"))
	require.NoError(t, sub.SetTime("h", time.Unix(0, 0)))
	require.NoError(t, sub.SyncFiles([]string{"h", "h"}))
	require.NoError(t, sub.SyncDir("."))
	require.NoError(t, sub.Remove("h"))
	did("openrw a/b/f #8", "close a/b/f #9", "move a/b/f to a/b/g #10", "replace a/b/g to a/b/h #11", "settime a/b/h #12",
		"syncfiles a/b/h,a/b/h #13", "syncdir a/b #14", "remove a/b/h #15")
	_, err = sub.Lstat("h")
	require.Error(t, err)
	entries, err := sub.ReadDir(".")
	require.NoError(t, err)
	assert.Empty(t, entries)
	_, err = sub.Open("h")
	require.Error(t, err)
	did("lstat a/b/h ?9 badly", "readdir a/b ?10", "open a/b/h ?11 badly")
	require.NoError(t, sub.Close())
	require.NoError(t, d.Close())
	assert.Empty(t, got)
}

// everything does one of each operation, on a directory with a file "f" of "abc"
// and a directory "sub", and returns the errors.
func everything(d disk.Dir) map[Kind]error {
	errs := map[Kind]error{}
	add := func(kind Kind, err error) {
		if errs[kind] == nil {
			errs[kind] = err
		}
	}
	f, err := d.OpenRW("f")
	add(KindOpenRW, err)
	if f != nil {
		_, err = f.Read(make([]byte, 1))
		add(KindRead, err)
		_, err = f.ReadAt(make([]byte, 1), 0)
		add(KindRead, err)
		_, err = f.Write([]byte("xyz"))
		add(KindWrite, err)
		_, err = f.WriteAt([]byte("xyz"), 0)
		add(KindWrite, err)
		_, err = f.Stat()
		add(KindStat, err)
		add(KindSync, f.Sync())
		add(KindTruncate, f.Truncate(1))
		add(KindLock, f.Lock())
		add(KindClose, f.Close())
	}
	for kind, open := range map[Kind]func(string) (disk.File, error){KindOpen: d.Open, KindCreate: d.Create} {
		name := "f"
		if kind == KindCreate {
			name = "new"
		}
		f, err := open(name)
		add(kind, err)
		if f != nil {
			_ = f.Close()
		}
	}
	sub, err := d.Sub("sub")
	add(KindSub, err)
	if sub != nil {
		_ = sub.Close()
	}
	_, err = d.Lstat("f")
	add(KindLstat, err)
	_, err = d.ReadDir(".")
	add(KindReadDir, err)
	add(KindMkdir, d.Mkdir("dir"))
	add(KindSetTime, d.SetTime("f", time.Unix(0, 0)))
	add(KindSyncFiles, d.SyncFiles([]string{"f"}))
	add(KindSyncDir, d.SyncDir("."))
	add(KindMove, d.Move("f", "g"))
	add(KindReplace, d.Replace("g", "h"))
	add(KindRemove, d.Remove("h"))
	return errs
}

// kinds is every Kind there is.
func kinds() []Kind {
	return []Kind{
		KindOpen, KindRead, KindStat, KindLstat, KindReadDir, KindSub, KindLock, KindCreate, KindOpenRW, KindWrite, KindSync, KindTruncate,
		KindClose, KindMove, KindReplace, KindRemove, KindMkdir, KindSetTime, KindSyncFiles, KindSyncDir,
	}
}

// TestHookFails fails each kind before it is done, and after.
func TestHookFails(t *testing.T) {
	for _, kind := range kinds() {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, after), func(t *testing.T) {
				m := script(t, NewMem(512), "write f abc", "mkdir sub")
				asked := 0
				d := Hook(m, func(op Op) error {
					if op.Kind == kind && op.After == after {
						asked++
						return errTest
					}
					return nil
				})
				err := everything(d)[kind]
				assert.ErrorIs(t, err, errTest)
				assert.NotZero(t, asked)
				// Nothing is left open that holds the lock.
				f, err := m.OpenRW("lock")
				require.NoError(t, err)
				assert.NoError(t, f.Lock())
			})
		}
	}
	m := script(t, NewMem(512), "write f abc", "settled")
	require.ErrorIs(t, Hook(m, func(op Op) error { return errTest }).Remove("f"), errTest)
	assert.Equal(t, "f=abc", show(m))
	require.ErrorIs(t, Hook(m, func(op Op) error {
		if op.After {
			return errTest
		}
		return nil
	}).Remove("f"), errTest)
	assert.Equal(t, "", show(m), "it failed after it was done")
}

func TestShortWrite(t *testing.T) {
	for n, want := range map[int]string{-1: "f=", 0: "f=", 2: "f=ab", 3: "f=abc", 9: "f=abc"} {
		m := NewMem(512)
		d := FailAt(m, 1, &ShortWrite{N: n, Err: errTest}, Once)
		f, err := d.Create("f")
		require.NoError(t, err)
		done, err := f.Write([]byte("abc"))
		assert.ErrorIs(t, err, errTest)
		assert.Equal(t, len(want)-2, done)
		require.NoError(t, f.Close())
		assert.Equal(t, want, show(m))
	}
	assert.ErrorIs(t, &ShortWrite{}, io.ErrShortWrite)
	assert.Equal(t, "short write: short write", (&ShortWrite{}).Error())
}

func TestFailAt(t *testing.T) {
	for _, c := range []struct {
		again Again
		want  string // the file is made in each line that did not fail
	}{
		{Once, "f0 f2 f3"}, {SameKind, "f0"}, {Everything, "f0"},
	} {
		m := NewMem(512)
		d := FailAt(m, 2, errTest, c.again)
		for i := range 4 {
			f, err := d.Create(fmt.Sprint("f", i))
			if err == nil {
				require.NoError(t, f.Close())
			}
			if i == 1 {
				assert.ErrorIs(t, err, errTest)
			}
		}
		assert.Equal(t, c.want, strings.ReplaceAll(show(m), "=", ""))
		_, lstat := d.Lstat("f0")
		mkdir := d.Mkdir("d")
		if c.again == Everything {
			assert.ErrorIs(t, lstat, errTest)
			assert.ErrorIs(t, mkdir, errTest)
		} else {
			assert.NoError(t, lstat)
			assert.NoError(t, mkdir)
		}
	}
	// Files that were open when everything began to fail can be closed.
	m := NewMem(512)
	d := FailAt(m, 1, ErrHalted, Everything)
	f, err := d.OpenRW("lock")
	require.NoError(t, err)
	require.NoError(t, f.Lock())
	require.Error(t, d.Mkdir("d"))
	assert.ErrorIs(t, f.Close(), ErrHalted)
	f, err = m.OpenRW("lock")
	require.NoError(t, err)
	assert.NoError(t, f.Lock())
}

// TestFailedSync says that a Sync that succeeds after one that failed makes
// nothing durable: the kernel has dropped what it could not write.
func TestFailedSync(t *testing.T) {
	syncs := map[string]func(d disk.Dir) error{
		"Sync": func(d disk.Dir) error {
			f, err := d.Open("a")
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Sync()
		},
		"SyncFiles": func(d disk.Dir) error { return d.SyncFiles([]string{"a"}) },
	}
	for name, sync := range syncs {
		t.Run(name, func(t *testing.T) {
			m := script(t, NewMem(512), "write a abc", "syncdir .")
			// Through two hooks, as a test may have them.
			d := FailAt(Hook(m, func(Op) error { return nil }), 0, errTest, Once)
			require.ErrorIs(t, sync(d), errTest)
			require.NoError(t, sync(d))
			assert.Equal(t, []string{"a=", "a=000", "a=abc"}, states(m))
			assert.Equal(t, "a=abc", show(m), "who reads sees it still")
			// What is written again is not lost, to the same file or another.
			script(t, m, "write a abc", "sync a", "write b abc", "sync b")
			assert.Equal(t, "a=abc", show(m.Crash(Least)))
			script(t, m, "syncdir .")
			assert.Equal(t, "a=abc b=abc", show(m.Crash(Least)))

			control := script(t, NewMem(512), "write a abc", "syncdir .")
			require.NoError(t, sync(control))
			assert.Equal(t, []string{"a=abc"}, states(control))
		})
	}
}

func TestRecord(t *testing.T) {
	d, log := Record(NewMem(512))
	f, err := d.Create("a")
	require.NoError(t, err)
	_, err = d.Create("a")
	require.Error(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, d.Move("a", "b"))
	_, err = d.ReadDir(".")
	require.NoError(t, err)
	var got []string
	for _, op := range log.Ops() {
		got = append(got, string(op.Kind))
	}
	assert.Equal(t, []string{"create", "close", "move"}, got)
	log.Reset()
	assert.Empty(t, log.Ops())
}

// TestConcurrent numbers every operation once.
func TestConcurrent(t *testing.T) {
	var mu sync.Mutex
	var got []int
	d := Hook(NewMem(512), func(op Op) error {
		if !op.After {
			mu.Lock()
			got = append(got, op.N)
			mu.Unlock()
		}
		return nil
	})
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			for i := range 100 {
				assert.NoError(t, d.Mkdir(fmt.Sprint(g, "-", i)))
			}
		})
	}
	wait.Wait()
	slices.Sort(got)
	require.Len(t, got, 400)
	assert.Equal(t, 399, got[399])
	assert.Len(t, slices.Compact(got), 400)
}
