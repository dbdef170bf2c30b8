package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// The messages of the scenario, by number: what becomes of each when it is first
// handed over.
const (
	taking      = iota // 250
	lostTaken          // taken, and the answer lost
	lostNothing        // not taken, and the answer lost
	later              // 450, and taken the second time
	never              // 550
	cutShort           // the connection lost before the dot, and taken the second time
	someLater          // one of two recipients 450
	kinds
)

// life is what an outbox, a server and a folder for copies have gone through.
type life struct {
	p        *post
	promised map[int]bool // Enqueue has returned nil
	decided  map[int]bool // somebody had it sent again
	removed  map[int]bool
	taken    map[int]bool // removed before it was sent
	grace    time.Duration
	doubts   *int // how often what was left was taken for damage

	mu    sync.Mutex
	filed map[int]int
}

func newLife() *life {
	l := &life{p: newPost(), promised: map[int]bool{}, decided: map[int]bool{}, removed: map[int]bool{}, taken: map[int]bool{}, doubts: new(int), filed: map[int]int{}}
	l.p.answer = l.answer
	return l
}

// clone is a life that goes on from here with another outbox.
func (l *life) clone() *life {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &life{p: l.p.clone(), promised: l.promised, decided: l.decided, removed: l.removed, taken: l.taken, doubts: l.doubts, filed: map[int]int{}}
	for n, k := range l.filed {
		c.filed[n] = k
	}
	return c
}

func (l *life) answer(n, call int, env *smtpsink.Envelope, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	switch n % kinds {
	case lostTaken:
		if call == 0 {
			l.p.deliver(n, env.To...)
			return lost(env)
		}
	case lostNothing:
		if call == 0 {
			return lost(env)
		}
	case later:
		if call == 0 {
			return refused(env, 450)
		}
	case never:
		return refused(env, 550)
	case cutShort:
		if call == 0 {
			return nil, unavailable()
		}
	case someLater:
		if call == 0 {
			r := taken(env)
			r.Recipients[1].Outcome, r.Recipients[1].Reply = smtpsink.Rejected, reply("RCPT", 450)
			return r, nil
		}
	}
	return taken(env), nil
}

// file files a copy. It fails the first time for some.
func (l *life) file(_ context.Context, e *Entry, _ *smtpsink.Receipt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n int
	if _, err := fmt.Sscanf(e.MessageID, "%d@", &n); err != nil {
		return err
	}
	if n%2 == 0 && l.filed[n] == 0 {
		l.filed[n] = -1
		return errHook
	}
	l.filed[n] = 1
	return nil
}

func recipients(n int) []string {
	if n%kinds == someLater {
		return []string{"bob@example.com", "eve@example.net"}
	}
	return []string{"bob@example.com"}
}

// enqueue enqueues note n; by key if it is odd.
func (l *life) enqueue(ctx context.Context, box *Outbox, n int) (ID, error) {
	opts := &EnqueueOptions{Send: smtpsink.SendOptions{Partial: n%kinds == someLater}}
	if n%2 == 1 {
		opts.Key = fmt.Sprint("key ", n)
	}
	id, err := box.Enqueue(ctx, to(recipients(n)...), strings.NewReader(note(n)), opts)
	if err == nil {
		l.promised[n] = true
	}
	return id, err
}

// run does what is due, and what is due a moment later.
func (l *life) run(ctx context.Context, box *Outbox) error {
	for range 3 {
		if err := box.Flush(); err != nil {
			return err
		}
		if err := runOnce(ctx, box, l.p, &RunOptions{Sent: l.file, Grace: l.grace}); err != nil {
			return err
		}
	}
	return nil
}

// takeBack enqueues a message and removes it at once.
func (l *life) takeBack(ctx context.Context, box *Outbox, n int) error {
	id, err := l.enqueue(ctx, box, n)
	if err != nil {
		return err
	}
	l.removed[n] = true
	err = box.Remove(id)
	l.taken[n] = err == nil
	return err
}

// live is what is done to the outbox on files until something fails.
func (l *life) live(ctx context.Context, files disk.Dir, off off) error {
	opts := hasty()
	opts.off = off
	run := func(box *Outbox) error { return l.run(ctx, box) }
	ids := map[int]ID{}
	box, err := openOn(files, opts)
	if err != nil {
		return err
	}
	defer func() {
		if box != nil {
			_ = box.Close()
		}
	}()
	for n := range 4 {
		if ids[n], err = l.enqueue(ctx, box, n); err != nil {
			return err
		}
	}
	if err := run(box); err != nil {
		return err
	}
	for _, n := range []int{3, 4, 5, 6, lostTaken + kinds, never + kinds} { // 3 comes again by its key
		if ids[n], err = l.enqueue(ctx, box, n); err != nil {
			return err
		}
	}
	if err := run(box); err != nil {
		return err
	}
	l.decided[lostNothing] = true
	if err := box.Decide(ids[lostNothing], Resend); err != nil {
		return err
	}
	if err := box.Decide(ids[lostTaken], Accept); err != nil {
		return err
	}
	l.removed[never] = true
	if err := box.Remove(ids[never]); err != nil {
		return err
	}
	if err := box.Retry(ids[never+kinds]); err != nil {
		return err
	}
	if err := l.takeBack(ctx, box, 3*kinds); err != nil {
		return err
	}
	if err := run(box); err != nil {
		return err
	}
	err = box.rewrite()
	if err != nil {
		return err
	}
	if err := box.Close(); err != nil {
		return err
	}
	if box, err = openOn(files, opts); err != nil {
		return err
	}
	for _, n := range []int{1, 2*kinds + 1} { // 1 comes again by its key, though it is gone
		if _, err = l.enqueue(ctx, box, n); err != nil {
			return err
		}
	}
	if err := run(box); err != nil {
		return err
	}
	return box.Close()
}

// fault says what is wrong after an accident that left files: at once, and after
// another run of a program that makes no decisions.
func (l *life) fault(t testing.TB, files disk.Dir, off off) error {
	opts := hasty()
	opts.off = off
	for last := range 2 { // the second finds what the first left
		box, err := openOn(files, opts)
		if err != nil {
			return fmt.Errorf("opening it again: %w", err)
		}
		if box.Doubt() != nil {
			*l.doubts++
		}
		err = l.check(t, box)
		if err == nil && last == 0 {
			err = l.run(t.Context(), box)
		}
		if err == nil {
			err = l.checkEnd(t, box)
		}
		if err := errors.Join(err, box.Close()); err != nil {
			return err
		}
	}
	return nil
}

// there is what is in the outbox.
func there(t testing.TB, box *Outbox) (map[int]*Entry, error) {
	all := map[int]*Entry{}
	for _, e := range entries(t, box) {
		var n int
		if _, err := fmt.Sscanf(e.MessageID, "%d@", &n); err != nil {
			return nil, fmt.Errorf("a message was cut: %s", e.LastError)
		}
		if all[n] != nil {
			return nil, fmt.Errorf("message %d is in the outbox twice", n)
		}
		all[n] = e
	}
	return all, nil
}

// check: nothing is lost, nothing is there twice.
func (l *life) check(t testing.TB, box *Outbox) error {
	there, err := there(t, box)
	if err != nil {
		return err
	}
	if l.p.cut {
		return errors.New("a message was sent that nobody wrote")
	}
	for n := range l.promised {
		if there[n] == nil && !l.removed[n] && len(l.p.got[n]) < len(recipients(n)) {
			return fmt.Errorf("message %d is lost", n)
		}
	}
	for n, got := range l.p.got {
		if l.taken[n] {
			return fmt.Errorf("message %d was removed and is sent", n)
		}
		for address, times := range got {
			if times > 1 && !l.decided[n] {
				return fmt.Errorf("message %d was sent to %s %d times", n, address, times)
			}
		}
	}
	return nil
}

// checkEnd: each message has come to one end, or waits for a decision.
func (l *life) checkEnd(t testing.TB, box *Outbox) error {
	if err := l.check(t, box); err != nil {
		return err
	}
	there, err := there(t, box)
	if err != nil {
		return err
	}
	for n, e := range there {
		if e.State != Unknown && e.State != Dead {
			return fmt.Errorf("message %d is %s in the end: %s", n, e.State, e.LastError)
		}
		if _, err := whole(e); err != nil {
			return fmt.Errorf("message %d was cut: %w", n, err)
		}
	}
	for n := range l.promised {
		e, is := there[n]
		switch {
		case is && e.State == Dead && n%kinds != never:
			return fmt.Errorf("message %d is dead", n)
		case !is && !l.removed[n] && l.filed[n] != 1:
			return fmt.Errorf("message %d is done and has no copy", n)
		}
	}
	return nil
}

// simulate loses power at each operation and looks at some of the states that it
// may leave. It stops at the first fault. bad wraps the disk in one that lies.
func simulate(t testing.TB, samples int, off off, bad func(disk.Dir) disk.Dir) (states int, fault error) {
	t.Helper()
	random := rand.New(rand.NewPCG(11, 1))
	doubts := new(int)
	for k := 0; ; k++ {
		files, l := disktest.NewMem(512), newLife()
		l.doubts = doubts
		halting := disktest.FailAt(files, k, disktest.ErrHalted, disktest.Everything)
		if bad != nil {
			halting = bad(halting)
		}
		err := l.live(t.Context(), halting, off)
		for range samples {
			states++
			if fault := l.clone().fault(t, files.Crash(disktest.Sample(random)), off); fault != nil {
				return states, fmt.Errorf("power lost at operation %d (%v): %w", k, err, fault)
			}
		}
		if err == nil {
			// One octet of a sector that was not written is not told from one
			// that was damaged.
			t.Logf("%d doubts", *doubts)
			if *doubts > states/500 {
				return states, fmt.Errorf("a loss of power was taken for damage %d times", *doubts)
			}
			return states, nil
		}
		require.ErrorIs(t, err, disktest.ErrHalted)
	}
}

// TestCrashSimulator proves the order of what is waited for: whatever a loss of
// power leaves of what was not waited for, no message is lost, none is sent twice,
// and what may have been taken is held.
func TestCrashSimulator(t *testing.T) {
	t.Parallel()
	runs, least := 50, 10_000
	if underRace {
		runs, least = 7, 1_000
	}
	states, fault := simulate(t, runs, off{}, nil)
	require.NoError(t, fault)
	t.Logf("%d states", states)
	assert.Greater(t, states, least)
}

// The controls: each order that is not kept is found out.
func TestCrashSimulatorControls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		off  off
		bad  func(disk.Dir) disk.Dir
	}{
		{"the octets are not waited for", off{}, lying(disktest.KindSyncFiles)},
		{"the names are not waited for", off{}, lying(disktest.KindSyncDir)},
		{"handing over is not noted", off{intent: true}, nil},
		{"the note is not waited for", off{wait: true}, nil},
		{"the note is forgotten", off{recovery: true}, nil},
		{"the file is removed before the journal is waited for", off{gone: true}, nil},
		{"keys are forgotten", off{keys: true}, nil},
		{"all recipients are tried again", off{again: true}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, fault := simulate(t, 20, c.off, c.bad)
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
	if l.kind == disktest.KindSyncDir && name == queueDir {
		return nil
	}
	return l.Dir.SyncDir(name)
}

// TestCrashKilled ends the process at every operation: the kernel still has all
// that was written, and no lock is held.
func TestCrashKilled(t *testing.T) {
	for k := 0; ; k++ {
		files, l := disktest.NewMem(512), newLife()
		err := l.live(t.Context(), disktest.FailAt(files, k, disktest.ErrHalted, disktest.Everything), off{})
		require.NoError(t, l.clone().fault(t, files.Restart(), off{}), "killed at operation %d", k)
		if err == nil {
			return
		}
		require.ErrorIs(t, err, disktest.ErrHalted)
	}
}

// TestCrashAgain loses power a second time, at each operation of the recovery.
func TestCrashAgain(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(12, 1))
	for k := 0; ; k += 3 {
		files, l := disktest.NewMem(512), newLife()
		err := l.live(t.Context(), disktest.FailAt(files, k, disktest.ErrHalted, disktest.Everything), off{})
		left := files.Crash(disktest.Sample(random))
		for j := 0; j < 60; j += 1 + random.IntN(4) {
			again, second := left.Crash(disktest.Most), l.clone()
			box, err := openOn(disktest.FailAt(again, j, disktest.ErrHalted, disktest.Everything), hasty())
			if err == nil {
				err = errors.Join(second.run(t.Context(), box), box.Close())
			}
			require.NoError(t, second.fault(t, again.Crash(disktest.Sample(random)), off{}), "at operations %d and %d", k, j)
			if err == nil {
				break
			}
		}
		if err == nil {
			return
		}
	}
}

// TestUnknownIsLeft: the scenario is worth something only if all its ends come.
func TestUnknownIsLeft(t *testing.T) {
	files, l := disktest.NewMem(512), newLife()
	require.NoError(t, l.live(t.Context(), files, off{}))
	box := openMem(t, files, nil)
	states := map[int]State{}
	for _, e := range entries(t, box) {
		n, err := whole(e)
		require.NoError(t, err)
		states[n] = e.State
	}
	assert.Equal(t, map[int]State{
		lostTaken + kinds: Unknown, lostTaken + 2*kinds: Unknown, never + kinds: Dead,
	}, states)
	require.NoError(t, box.Close())
	_, err := box.Enqueue(t.Context(), to("bob@example.com"), strings.NewReader(note(1)), nil)
	require.ErrorIs(t, err, mailbox.ErrClosed)
}
