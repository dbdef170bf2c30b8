package transfer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// scenario is a run into a Maildir that a loss of power may meet at any
// operation.
type scenario struct {
	name   string
	before int // messages that an earlier run has stored
	total  int
	opts   Options
	// unsafe wraps the disk in one that lies, for the controls.
	unsafe func(disk.Dir) disk.Dir
}

func scenarios() []scenario {
	remove := Remove{Stored: true}
	return []scenario{
		{name: "first run", total: 5, opts: Options{messages: 2}},
		{name: "first run, deletes", total: 5, opts: Options{messages: 2, Remove: remove}},
		{name: "second run, deletes", before: 3, total: 6, opts: Options{messages: 2, Remove: remove}},
		{name: "one group", total: 4, opts: Options{Remove: remove}},
	}
}

// runOn is one run into the Maildir on files.
func runOn(t testing.TB, store *memory.Store, files disk.Dir, o Options) error {
	t.Helper()
	o.Source = "sim"
	dst, err := maildir.OpenOn(files, nil)
	if err != nil {
		return err
	}
	defer dst.Close()
	src := memory.New(&memory.Options{Store: store})
	defer src.Close()
	_, err = Run(t.Context(), src, dst, &o)
	return err
}

// cloned is a source with the messages that are left in store, under the same
// IDs.
func cloned(t testing.TB, store *memory.Store, total int) *memory.Store {
	t.Helper()
	left := contents(t, open(t, store), mailbox.Inbox)
	clone := filled(t, total)
	mb := memory.New(&memory.Options{Store: clone})
	defer mb.Close()
	n := 0
	var gone []mailbox.ID
	for s, err := range mb.List(t.Context(), mailbox.Inbox, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		require.NoError(t, err)
		if left[sha256.Sum256(note(n))] == 0 {
			gone = append(gone, s.ID)
		}
		n++
	}
	require.NoError(t, mb.Delete(t.Context(), gone, nil))
	return clone
}

// faultAfter says what is wrong after a crash that left files, with store as the
// source: at once, and after one more run.
func (s *scenario) faultAfter(t testing.TB, store *memory.Store, files *disktest.Mem) error {
	t.Helper()
	there, err := stored1(t, files)
	if err != nil {
		return err
	}
	left := contents(t, open(t, store), mailbox.Inbox)
	for n := range s.total {
		h := sha256.Sum256(note(n))
		if there[h] == 0 && left[h] == 0 {
			return fmt.Errorf("message %d is lost", n)
		}
		left[h] = 0
	}
	o := s.opts
	if err := runOn(t, store, files, o); err != nil {
		return fmt.Errorf("the next run: %w", err)
	}
	if there, err = stored1(t, files); err != nil {
		return err
	}
	for n := range s.total {
		h := sha256.Sum256(note(n))
		if there[h] != 1 {
			return fmt.Errorf("message %d is there %d times after the next run", n, there[h])
		}
		delete(there, h)
	}
	if len(there) > 0 {
		return errors.New("there is a message that nobody sent: it was cut")
	}
	if left := contents(t, open(t, store), mailbox.Inbox); o.Remove.Stored && len(left) > 0 {
		return fmt.Errorf("%d messages are left at the source", len(left))
	}
	return nil
}

// stored1 is what the Maildir on files holds.
func stored1(t testing.TB, files disk.Dir) (map[[32]byte]int, error) {
	t.Helper()
	mb, err := maildir.OpenOn(files, nil)
	if err != nil {
		return nil, err
	}
	defer mb.Close()
	return contents(t, mb, mailbox.Inbox), nil
}

// simulate loses power at each operation of the scenario and looks at some of
// the states that it may leave. It stops at the first fault.
func (s *scenario) simulate(t testing.TB, samples int, seed uint64) (states int, fault error) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	for k := 0; ; k++ {
		files := disktest.NewMem(512)
		store := filled(t, s.before)
		if s.before > 0 {
			o := s.opts
			o.Remove, o.off = Remove{}, off{}
			require.NoError(t, runOn(t, store, files, o))
		}
		for n := s.before; n < s.total; n++ {
			require.NoError(t, store.Deliver(mailbox.Inbox, note(n), nil))
		}
		halting := disktest.FailAt(files, k, disktest.ErrHalted, disktest.Everything)
		if s.unsafe != nil {
			halting = s.unsafe(halting)
		}
		err := runOn(t, store, halting, s.opts)
		for range samples {
			states++
			crashed := files.Crash(disktest.Sample(random))
			if fault := s.faultAfter(t, cloned(t, store, s.total), crashed); fault != nil {
				return states, fmt.Errorf("power lost at operation %d: %w", k, fault)
			}
		}
		if err == nil {
			return states, nil
		}
		require.ErrorIs(t, err, disktest.ErrHalted)
	}
}

// TestCrashSimulator proves the order of what is waited for: whatever a loss of
// power leaves of what was not waited for, the next run ends with each message
// stored once.
func TestCrashSimulator(t *testing.T) {
	states := 0
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			n, fault := s.simulate(t, 60, 7)
			states += n
			require.NoError(t, fault)
		})
	}
	t.Logf("%d states", states)
}

// The controls: each order that is not kept is found out.
func TestCrashSimulatorControls(t *testing.T) {
	remove := Remove{Stored: true}
	for _, s := range []scenario{
		{name: "the octets are not waited for", total: 4, opts: Options{Remove: remove}, unsafe: lying(disktest.KindSyncFiles)},
		{name: "the names are not waited for", total: 4, opts: Options{Remove: remove}, unsafe: lying(disktest.KindSyncDir)},
		{name: "the journal is not waited for", total: 4, opts: Options{messages: 2, off: off{intents: true}}},
		{name: "nobody looks for what may be there", total: 4, opts: Options{messages: 2, off: off{lookFirst: true}}},
	} {
		t.Run(s.name, func(t *testing.T) {
			_, fault := s.simulate(t, 60, 7)
			require.Error(t, fault)
			t.Log(fault)
		})
	}
}

// lying is a disk that says of one kind of operation that it is done.
func lying(kind disktest.Kind) func(disk.Dir) disk.Dir {
	return func(d disk.Dir) disk.Dir { return &liar{d, kind} }
}

type liar struct {
	disk.Dir
	kind disktest.Kind
}

func (l *liar) SyncFiles(names []string) error {
	if l.kind == disktest.KindSyncFiles {
		return nil
	}
	return l.Dir.SyncFiles(names)
}

func (l *liar) SyncDir(name string) error {
	if l.kind == disktest.KindSyncDir {
		return nil
	}
	return l.Dir.SyncDir(name)
}

func (l *liar) Sub(name string) (disk.Dir, error) {
	d, err := l.Dir.Sub(name)
	if err != nil {
		return nil, err
	}
	return &liar{d, l.kind}, nil
}
