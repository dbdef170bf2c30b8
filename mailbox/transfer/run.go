package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/mailbox"
)

// Run copies what is new in src into dst, and then deletes at src what
// Options.Remove says. It uses both mailboxes and closes neither. opts may be
// nil.
//
// One message that cannot be read or stored is reported and does not stop the
// rest. Nor does one folder, with a warning in the report; the first such error is
// returned in the end. Other errors end the run: a mailbox that cannot be reached
// or is full, a disk that fails, a journal that another run has (mailbox.ErrBusy),
// the end of ctx. What was stored by then is in the report, which is never nil, and
// the next run goes on from there. At the end of ctx what was read whole is still
// stored if the destination is on a disk, and what is on its way over a network is
// cut off.
func Run(ctx context.Context, src, dst mailbox.Mailbox, opts *Options) (*Report, error) {
	r := newRun(ctx, src, dst, opts)
	err := r.run(func(*Event) bool { return true })
	return &r.report, err
}

// Events is Run that tells what happens while it does. The error comes last, if
// there is one, with a nil event. Leaving the loop ends the run, as the end of
// ctx does. Nothing happens before the loop begins, and a second loop over the
// sequence is another run; any method of the mailboxes may be called inside it.
func Events(ctx context.Context, src, dst mailbox.Mailbox, opts *Options) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		r := newRun(ctx, src, dst, opts)
		left := false
		err := r.run(func(e *Event) bool {
			left = left || !yield(e, nil)
			return !left
		})
		if err != nil && !left {
			yield(nil, err)
		}
	}
}

// errLeft ends a run whose loop was left.
var errLeft = errors.New("the loop was left")

// run is one Run.
type run struct {
	ctx      context.Context
	src, dst mailbox.Mailbox
	opts     Options
	source   string
	log      *slog.Logger

	ledger  *ledger
	dir     disk.Dir // of the journal, if it is ours to close
	now     time.Time
	targets targets // of the destination
	yield   func(*Event) bool

	failed  error // the first of a folder that was left before its end
	failing int   // folders in a row
	refused int   // messages in a row

	report                Report
	done, total           int
	doneBytes, totalBytes int64
}

func newRun(ctx context.Context, src, dst mailbox.Mailbox, opts *Options) *run {
	r := &run{ctx: ctx, src: src, dst: dst, log: slog.New(slog.DiscardHandler)}
	if opts != nil {
		r.opts = *opts
	}
	if r.opts.Logger != nil {
		r.log = r.opts.Logger
	}
	return r
}

// tell hands an event out.
func (r *run) tell(e Event) error {
	r.report.count(&e)
	e.Done, e.Total, e.DoneBytes, e.TotalBytes = r.done, max(r.total, r.done), r.doneBytes, max(r.totalBytes, r.doneBytes)
	if !r.yield(&e) {
		return errLeft
	}
	return nil
}

func (r *run) run(yield func(*Event) bool) (err error) {
	start := time.Now()
	r.yield, r.now = yield, r.opts.clock()
	defer func() { r.report.Took = time.Since(start) }()
	if err := r.ctx.Err(); err != nil {
		return &mailbox.Error{Op: "transfer", Err: err}
	}
	if !r.dst.Caps().Append {
		return &mailbox.Error{Op: "transfer", Err: fmt.Errorf("this %s account takes no messages: %w", r.dst.Caps().Protocol, errors.ErrUnsupported)}
	}
	if err := r.open(); err != nil {
		return &mailbox.Error{Op: "transfer", Err: err}
	}
	// Also when the loop panics, and somebody recovers.
	end := sync.OnceValue(func() error {
		r.report.Dead = r.ledger.dead()
		err := r.ledger.close(r.now)
		if r.dir != nil {
			_ = r.dir.Close()
		}
		return err
	})
	defer func() { _ = end() }()
	err = r.all()
	left := err == errLeft
	if left {
		err = nil
	}
	if e := end(); e != nil {
		err = errors.Join(err, &mailbox.Error{Op: "transfer", Err: e})
	}
	if err == nil && !left {
		r.report.Took = time.Since(start)
		_ = r.tell(Event{Kind: Ended, Report: &r.report})
	}
	return err
}

// all does every folder.
func (r *run) all() error {
	if err := r.warn(); err != nil {
		return err
	}
	folders, err := r.folders()
	if err != nil {
		return err
	}
	for _, f := range folders {
		if r.onto(f) {
			return &mailbox.Error{Op: "transfer", Folder: f.target, Err: errors.New("it would be copied onto itself: give another target")}
		}
	}
	for _, f := range folders {
		err := r.folder(f)
		var of *folderError
		switch {
		case err == nil:
			r.failing = 0
		case !errors.As(err, &of):
			return err
		case len(folders) == 1:
			return of.err
		default:
			if err := r.left(f, of); err != nil {
				return err
			}
		}
	}
	return r.failed
}

// accounter is a mailbox that knows which account it is.
type accounter interface{ Account() string }

// account is which account a mailbox is, "" if it does not know.
func account(mb mailbox.Mailbox) string {
	if a, ok := mb.(accounter); ok {
		return a.Account()
	}
	return ""
}

// onto reports whether a folder would be copied onto itself.
func (r *run) onto(j *job) bool {
	if j.from.Name != j.target {
		return false
	}
	a := account(r.src)
	return r.src == r.dst || a != "" && a == account(r.dst)
}

// stater is a mailbox with a directory of its own.
type stater interface{ StateDir() disk.Dir }

// open opens the journal.
func (r *run) open() error {
	if r.source = r.opts.Source; r.source == "" {
		r.source = account(r.src)
	}
	if r.source == "" {
		return errors.New("the source does not say which account it is: set Options.Source")
	}
	dir, name, err := r.journal()
	if err != nil {
		return err
	}
	if r.opts.DryRun {
		r.ledger, err = readLedger(dir, name, r.source)
	} else {
		r.ledger, err = openLedger(dir, name, r.source)
	}
	if r.opts.Journal != "" {
		r.dir = dir
		if err != nil {
			_ = dir.Close()
		}
	}
	if err == nil {
		r.ledger.now = seconds(r.now)
	}
	return err
}

// journal says where the journal is.
func (r *run) journal() (dir disk.Dir, name string, err error) {
	if r.opts.Journal != "" {
		dir, err = disk.Open(filepath.Dir(r.opts.Journal))
		return dir, filepath.Base(r.opts.Journal), err
	}
	if s, ok := r.dst.(stater); ok {
		h := sha256.Sum256([]byte(r.source))
		return s.StateDir(), "postroom-" + hex.EncodeToString(h[:8]) + ".journal", nil
	}
	return nil, "", errors.New("the destination has no directory for the journal: set Options.Journal")
}
