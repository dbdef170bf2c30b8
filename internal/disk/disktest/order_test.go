package disktest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// step is one operation of an order; a nil error of all is a promise.
type step func(d disk.Dir) error

// The steps of a delivery to a directory that has tmp and cur.
func writeTmp(d disk.Dir) error {
	f, err := d.Create("tmp/a")
	if err != nil {
		return err
	}
	defer f.Close()
	for _, part := range []string{"From: a\n", "\nbody\n"} {
		if _, err := f.Write([]byte(part)); err != nil {
			return err
		}
	}
	return nil
}
func syncTmp(d disk.Dir) error { return d.SyncFiles([]string{"tmp/a"}) }
func moveCur(d disk.Dir) error { return d.Move("tmp/a", "cur/a") }
func syncCur(d disk.Dir) error { return d.SyncDir("cur") }

// retrySync believes a second sync.
func retrySync(d disk.Dir) error {
	if syncTmp(d) == nil {
		return nil
	}
	return syncTmp(d)
}

// faults does the steps with every operation as the last before the power is
// lost, and with every operation failing once, and says what was wrong in some
// state that was left: "cut", a file in cur that is not whole; "lost", one that
// was promised and is not there.
func faults(t *testing.T, steps ...step) []string {
	const whole = "From: a\n\nbody\n"
	found := map[string]bool{}
	for _, again := range []Again{Everything, Once} {
		for n, failed := 0, true; failed; n++ {
			m := script(t, NewMem(4), "mkdir tmp", "mkdir cur", "settled")
			failed = false
			d := Hook(FailAt(m, n, ErrHalted, again), func(op Op) error {
				failed = failed || op.After && op.Err != nil
				return nil
			})
			var err error
			for _, s := range steps {
				if err = s(d); err != nil {
					break
				}
			}
			Enumerate(func(choose func(int) int) {
				text, there := m.Crash(choose).Files()["cur/a"]
				found["cut"] = found["cut"] || there && text != whole
				found["lost"] = found["lost"] || err == nil && !there
			})
		}
	}
	var names []string
	for name, is := range found {
		if is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestOrders finds the fault of every wrong order, and none in the right one.
func TestOrders(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		want  []string
	}{
		{"right", []step{writeTmp, syncTmp, moveCur, syncCur}, nil},
		{"control: no sync of the file", []step{writeTmp, moveCur, syncCur}, []string{"cut"}},
		{"control: sync after the move", []step{writeTmp, moveCur, func(d disk.Dir) error { return d.SyncFiles([]string{"cur/a"}) }, syncCur}, []string{"cut"}},
		{"control: no sync of the directory", []step{writeTmp, syncTmp, moveCur}, []string{"lost"}},
		{"control: sync of the wrong directory", []step{writeTmp, syncTmp, moveCur, func(d disk.Dir) error { return d.SyncDir(".") }}, []string{"lost"}},
		{"control: sync of the directory before the move", []step{writeTmp, syncTmp, syncCur, moveCur}, []string{"lost"}},
		{"control: a failed sync is tried again", []step{writeTmp, retrySync, moveCur, syncCur}, []string{"cut"}},
		{
			"control: an error is not looked at",
			[]step{func(d disk.Dir) error { _ = writeTmp(d); return nil }, syncTmp, moveCur, syncCur},
			[]string{"cut"},
		},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, faults(t, c.steps...)) })
	}
}

// TestJournal cuts a file of records, each synced, at every octet, and finds all
// that were promised.
func TestJournal(t *testing.T) {
	for n, failed := 0, true; failed; n++ {
		m := script(t, NewMem(1), "write j 0;", "settled")
		d := FailAt(m, n, ErrHalted, Everything)
		promised := "0;"
		failed = func() bool {
			f, err := d.OpenRW("j")
			if err != nil {
				return true
			}
			defer f.Close()
			for i := 1; i < 4; i++ {
				record := fmt.Sprintf("%d;", i)
				if _, err := f.WriteAt([]byte(record), int64(len(promised))); err != nil {
					return true
				}
				if err := f.Sync(); err != nil {
					return true
				}
				promised += record
			}
			return false
		}()
		Enumerate(func(choose func(int) int) {
			text := m.Crash(choose).Files()["j"]
			require.GreaterOrEqual(t, len(text), len(promised))
			require.Equal(t, promised, text[:len(promised)])
			require.LessOrEqual(t, len(text), len(promised)+2)
		})
	}
}
