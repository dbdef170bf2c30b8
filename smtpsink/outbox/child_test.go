package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/internal/disk/disktest"
	"github.com/postroom-go/postroom/smtpsink"
)

// errand is what another process does with an outbox, and where it dies. It
// enqueues notes from First on, and sends what is there.
type errand struct {
	Dir      string
	First, N int

	// KillOp is the operation of the disk at which it dies, -1 for none: ahead of
	// it, or behind it.
	KillOp    int
	KillAfter bool
	// KillAt is the point of a conversation at which it dies, with the note
	// KillNote.
	KillAt   string
	KillNote int
	// KillIn is when it dies in any case; 0 is never.
	KillIn time.Duration

	// Host, if not empty, is where it sends to by a real Sink, while it enqueues;
	// CA is whom it trusts, in PEM.
	Host, CA string

	// Spool has it enqueue by a Spool, and by keys, and send nothing.
	Spool bool
}

// The points at which it dies while it sends.
const (
	atBegin  = "S2-S4 before the message"
	atHalf   = "S5 in the message"
	atRead   = "S6 the message handed over"
	atTaken  = "S7 the server has taken it"
	atCopy   = "S8 before the copy"
	atCopied = "S11 the copy filed"
)

func (e *errand) die(at string, n int) {
	if e.KillAt == at && e.KillNote == n {
		die()
	}
}

// die ends the process as a crash does.
func die() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {}
}

// log notes something in a file beside the outbox, which outlasts the process.
func (e *errand) log(name string, n int) error {
	f, err := os.OpenFile(e.Dir+"."+name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, n)
	return errors.Join(err, f.Close())
}

// logged is how often what was noted.
func (e *errand) logged(t testing.TB, name string) map[int]int {
	t.Helper()
	text, err := os.ReadFile(e.Dir + "." + name)
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	all := map[int]int{}
	for line := range strings.Lines(string(text)) {
		var n int
		_, err := fmt.Sscan(line, &n)
		require.NoError(t, err)
		all[n]++
	}
	return all
}

// Send is a server's that notes what it takes.
func (e *errand) Send(_ context.Context, env *smtpsink.Envelope, m io.Reader, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	head := make([]byte, 100)
	var n int
	if _, err := fmt.Sscanf(env.To[0], "bob+%d@example.com", &n); err != nil {
		return nil, err
	}
	e.die(atBegin, n)
	if _, err := io.ReadFull(m, head); err != nil {
		return nil, err
	}
	e.die(atHalf, n)
	rest, err := io.ReadAll(m)
	if err != nil {
		return nil, err
	}
	e.die(atRead, n)
	if string(append(head, rest...)) != note(n) {
		return nil, errors.New("that is not what was enqueued")
	}
	if err := e.log("taken", n); err != nil {
		return nil, err
	}
	e.die(atTaken, n)
	return taken(env), nil
}

func (e *errand) Close() error { return nil }

func (e *errand) file(_ context.Context, entry *Entry, _ *smtpsink.Receipt) error {
	var n int
	if _, err := fmt.Sscanf(entry.MessageID, "%d@", &n); err != nil {
		return err
	}
	e.die(atCopy, n)
	err := e.log("filed", n)
	e.die(atCopied, n)
	return err
}

// do does the errand.
func (e *errand) do(ctx context.Context, hook func(disk.Dir) disk.Dir) error {
	d, err := disk.OpenNew(e.Dir)
	if err != nil {
		return err
	}
	if hook != nil {
		d = hook(d)
	}
	box, err := openOn(d, hasty())
	if err != nil {
		return err
	}
	for n := e.First; n < e.First+e.N; n++ {
		if _, err := box.Enqueue(ctx, to(fmt.Sprintf("bob+%d@example.com", n)), strings.NewReader(note(n)), nil); err != nil {
			return err
		}
		if err := e.log("promised", n); err != nil {
			return err
		}
	}
	return errors.Join(runOnce(ctx, box, e, &RunOptions{Sent: e.file}), box.Close())
}

const childVariable = "POSTROOM_OUTBOX_ERRAND"

func TestMain(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var e errand
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		panic(err)
	}
	if e.KillIn > 0 {
		time.AfterFunc(e.KillIn, die)
	}
	hook := func(d disk.Dir) disk.Dir {
		return disktest.Hook(d, func(op disktest.Op) error {
			if op.Changes && op.N == e.KillOp && op.After == e.KillAfter {
				die()
			}
			return nil
		})
	}
	do := e.do
	switch {
	case e.Host != "":
		do = e.voyage
	case e.Spool:
		do = e.spool
	}
	if err := do(context.Background(), hook); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// send has another process do the errand, and reports whether it was killed.
func (e *errand) send(t testing.TB) (killed bool) {
	t.Helper()
	text, err := json.Marshal(e)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		require.True(t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%v: %s", err, bytes.TrimSpace(out))
		return true
	}
	require.NoError(t, err, "%s", out)
	return false
}

// check has one more run send what is left, and looks what has become of all. It
// gives the notes whose outcome is unknown.
func (e *errand) check(t testing.TB) (held []int) {
	t.Helper()
	last := &errand{Dir: e.Dir, KillOp: -1}
	require.NoError(t, last.do(t.Context(), nil))
	promised, took, filed := e.logged(t, "promised"), e.logged(t, "taken"), e.logged(t, "filed")
	box, err := Open(e.Dir, nil)
	require.NoError(t, err)
	for _, entry := range entries(t, box) {
		n, err := whole(entry)
		require.NoError(t, err)
		assert.Equal(t, Unknown, entry.State, "note %d: %s", n, entry.LastError)
		held = append(held, n)
	}
	require.NoError(t, box.Close())
	waits := map[int]bool{}
	for _, n := range held {
		waits[n] = true
	}
	for n := range promised {
		assert.True(t, took[n] == 1 || waits[n], "note %d is lost", n)
		assert.True(t, filed[n] > 0 || waits[n], "note %d has no copy", n)
	}
	for n, times := range took {
		assert.Equal(t, 1, times, "note %d was sent %d times", n, times)
	}
	return held
}

func newErrand(t testing.TB) *errand {
	t.Helper()
	return &errand{Dir: filepath.Join(t.TempDir(), "outbox"), N: 3, KillOp: -1}
}

// operations counts what the errand does to the disk.
func operations(t *testing.T) int {
	e, n := newErrand(t), 0
	var mu sync.Mutex // the next message begins while the disk is waited for
	require.NoError(t, e.do(t.Context(), func(d disk.Dir) disk.Dir {
		return disktest.Hook(d, func(op disktest.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if op.Changes {
				n = max(n, op.N+1)
			}
			return nil
		})
	}))
	return n
}

// TestCrashKilledAtDisk kills the process at every operation of the disk: S1, S7
// and S8 are among them.
func TestCrashKilledAtDisk(t *testing.T) {
	t.Parallel()
	n, killed := operations(t), 0
	for k := range n {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			e := newErrand(t)
			e.KillOp, e.KillAfter = k, k%2 == 1
			if e.send(t) { // what goes on at a time makes it an operation less, or more
				killed++
			}
			assert.LessOrEqual(t, len(e.check(t)), 2)
		})
	}
	assert.Greater(t, killed, n*3/4)
}

// TestCrashKilledAtWire kills the process at each point of a conversation. What
// may have been taken is held; what was not handed over is not.
func TestCrashKilledAtWire(t *testing.T) {
	for at, held := range map[string]bool{atBegin: false, atHalf: false, atRead: true, atTaken: true, atCopy: false, atCopied: false} {
		for n := range 3 {
			t.Run(fmt.Sprint(at, " ", n), func(t *testing.T) {
				e := newErrand(t)
				e.KillAt, e.KillNote = at, n
				require.True(t, e.send(t))
				all := e.check(t)
				assert.Equal(t, held, slices.Contains(all, n))
				// The answer to the one before may not be durable yet, and others are
				// on their way while a copy is filed.
				assert.LessOrEqual(t, len(all), 2)
				for _, other := range all {
					assert.True(t, other == n || other == n-1 || at == atCopy || at == atCopied, "note %d", other)
				}
			})
		}
	}
}
