package outbox

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

const (
	queueDir = "queue"
	// temporary is the end of a name while a message is read.
	temporary = ".tmp"
	// stale is the age at which a file that nobody finished is removed: the
	// process that writes it may live, and be another one.
	stale = 36 * time.Hour

	mostRecipients = 10_000
)

// ID names a message in an outbox: 32 hexadecimal digits.
type ID string

func newID() ID {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	return ID(hex.EncodeToString(b[:]))
}

// keyID is the ID of the message of a key.
func keyID(key string) ID {
	h := sha256.Sum256([]byte("postroom outbox\x00" + key))
	return ID(hex.EncodeToString(h[:16]))
}

func (id ID) valid() bool {
	b, err := hex.DecodeString(string(id))
	return err == nil && len(b) == 16 && strings.ToLower(string(id)) == string(id) && id != doubtID
}

func (id ID) file() string { return queueDir + "/" + string(id) }

// EnqueueOptions are the options of Enqueue. Nil and zero send the message as
// soon as possible.
type EnqueueOptions struct {
	// Send are the options that the message is sent with. DeliverBy and HoldFor
	// count from the moment it is enqueued. A Size of 0 is made the message's.
	Send smtpsink.SendOptions
	// NotBefore is when it may be sent; zero is at once.
	NotBefore time.Time
	// Expires is from when it must not be sent any more, even if it was never
	// tried; zero is never. Options.Lifetime ends the tries in any case.
	Expires time.Time
	// Key, if not empty, makes Enqueue idempotent: a second message of the same
	// key is not enqueued, and is given the ID of the first, as long as that is
	// in the outbox and for Options.Remember after. Only a digest of it is
	// stored.
	Key string
}

// Spool takes messages in for an Outbox that another process may have open. Any
// number of processes may have a Spool on a directory. All methods are safe for
// concurrent use.
type Spool struct {
	dir    disk.Dir
	own    bool // Close closes dir
	closed atomic.Bool
	seq    atomic.Uint64

	commits chan struct{} // whoever fills it commits a group
	mu      sync.Mutex
	next    *group // which others may still join
	buffers sync.Pool
}

// OpenSpool opens the directory of an outbox to enqueue messages, and makes it,
// mode 0700, if it is not there. It takes no lock.
func OpenSpool(dir string) (*Spool, error) {
	d, err := disk.OpenNew(dir)
	if err != nil {
		return nil, fault("open", err)
	}
	s, err := newSpool(d)
	if err != nil {
		return nil, errors.Join(fault("open", err), d.Close())
	}
	s.own = true
	return s, nil
}

func newSpool(d disk.Dir) (*Spool, error) {
	if err := d.Mkdir(queueDir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// Whoever made it may have died before this.
	if err := d.SyncDir("."); err != nil {
		return nil, err
	}
	return &Spool{dir: d, commits: make(chan struct{}, 1)}, nil
}

// Close frees the directory. Later calls fail with mailbox.ErrClosed.
func (s *Spool) Close() error {
	if s.closed.Swap(true) || !s.own {
		return nil
	}
	return s.dir.Close()
}

// Enqueue takes a message in: see Outbox.Enqueue, whose rules hold. The process
// that has the outbox open finds it when it looks next (RunOptions.Rescan).
func (s *Spool) Enqueue(ctx context.Context, env *smtpsink.Envelope, message io.Reader, opts *EnqueueOptions) (ID, error) {
	id, _, err := s.enqueue(ctx, env, message, opts)
	return id, err
}

func (s *Spool) enqueue(ctx context.Context, env *smtpsink.Envelope, message io.Reader, opts *EnqueueOptions) (ID, *item, error) {
	if opts == nil {
		opts = &EnqueueOptions{}
	}
	if s.closed.Load() {
		return "", nil, fault("enqueue", mailbox.ErrClosed)
	}
	if message == nil {
		return "", nil, fault("enqueue", errors.New("there is no message"))
	}
	if err := checkEnvelope(env, opts); err != nil {
		return "", nil, fault("enqueue", err)
	}
	id, tmp := newID(), queueDir+"/"+string(newID())+temporary
	if opts.Key != "" {
		id = keyID(opts.Key)
	}
	m := &meta{
		ID: id, From: env.From, To: append([]string{}, env.To...), Options: clonedOptions(opts.Send),
		NotBefore: opts.NotBefore, Expires: opts.Expires, Keyed: opts.Key != "",
	}
	size, err := s.write(ctx, tmp, message, m)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		if err = s.commit(tmp, m); errors.Is(err, fs.ErrExist) {
			// The first of this key: it was waited for, too.
			return id, nil, nil
		}
	}
	if err != nil {
		_ = s.dir.Remove(tmp) // it is of no use, and does no harm
		return "", nil, fault("enqueue", err)
	}
	return id, newItem(id, m, size), nil
}

// write makes a file of the message. It is neither durable nor under its name.
func (s *Spool) write(ctx context.Context, tmp string, message io.Reader, m *meta) (size int64, err error) {
	f, err := s.dir.Create(tmp)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := &messageWriter{f: f}
	buffer, _ := s.buffers.Get().(*[64 << 10]byte)
	if buffer == nil {
		buffer = new([64 << 10]byte)
	}
	defer s.buffers.Put(buffer)
	if _, err := io.CopyBuffer(w, onlyReader{ctx, message}, buffer[:]); err != nil {
		return 0, err
	}
	if w.size == 0 {
		return 0, errors.New("the message is empty: give its header and body")
	}
	m.Enqueued, m.Seq = time.Now().UTC().Round(0), s.seq.Add(1)
	return w.size, w.finish(m)
}

// onlyReader stops between two reads when the context ends.
type onlyReader struct {
	ctx context.Context
	r   io.Reader
}

func (r onlyReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// checkEnvelope refuses what could never be sent, or not be stored as it is.
func checkEnvelope(env *smtpsink.Envelope, opts *EnqueueOptions) error {
	switch {
	case env == nil || len(env.To) == 0:
		return errors.New("there is no recipient: fill in Envelope.To")
	case len(env.To) > mostRecipients:
		return fmt.Errorf("%w: %d recipients, more than %d: enqueue the message several times", mailbox.ErrTooLarge, len(env.To), mostRecipients)
	}
	texts := append([]string{env.From}, env.To...)
	if d := opts.Send.DSN; d != nil {
		texts = append(append(texts, d.Notify...), d.Return, d.EnvelopeID)
		for address, original := range d.Original {
			texts = append(texts, address, original)
		}
	}
	for i, text := range texts {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("%q: an address or option with control characters, or not in UTF-8", text)
		}
		if i > 0 && i <= len(env.To) && text == "" {
			return errors.New("a recipient is empty: fill in its address")
		}
	}
	return nil
}

// group is messages whose files wait for the disk together.
type group struct {
	tmp  []string
	all  []*meta
	errs []error
	done chan struct{}
}

// commit gives a file its name and makes both durable. While one group waits for
// the disk the next one gathers. fs.ErrExist: there is one of that name, which is
// durable now.
func (s *Spool) commit(tmp string, m *meta) error {
	s.mu.Lock()
	g, mine := s.next, false
	if g == nil {
		g, mine = &group{done: make(chan struct{})}, true
		s.next = g
	}
	n := len(g.all)
	g.tmp, g.all, g.errs = append(g.tmp, tmp), append(g.all, m), append(g.errs, nil)
	s.mu.Unlock()
	if !mine {
		<-g.done
		return g.errs[n]
	}
	s.commits <- struct{}{}
	defer func() { <-s.commits }()
	s.mu.Lock()
	s.next = nil
	s.mu.Unlock()
	defer close(g.done)
	s.commitAll(g)
	return g.errs[n]
}

func (s *Spool) commitAll(g *group) {
	err := s.dir.SyncFiles(g.tmp)
	moved := false
	for i, m := range g.all {
		if g.errs[i] = err; err != nil {
			continue
		}
		g.errs[i] = s.move(g.tmp[i], m.ID)
		if errors.Is(g.errs[i], fs.ErrExist) {
			_ = s.dir.Remove(g.tmp[i]) // swept later at the latest
		}
		moved = moved || g.errs[i] == nil || errors.Is(g.errs[i], fs.ErrExist)
	}
	if !moved {
		return
	}
	if err := s.dir.SyncDir(queueDir); err != nil {
		for i, m := range g.all {
			switch {
			case g.errs[i] == nil:
				// A worker may have it already, or find it after a crash; and
				// another process may have been told that its key is there.
				why := err
				if !m.Keyed {
					why = errors.Join(err, s.dir.Remove(m.ID.file()))
				}
				g.errs[i] = fmt.Errorf("%w: it may be sent all the same: %w", mailbox.ErrUnknownOutcome, why)
			case errors.Is(g.errs[i], fs.ErrExist):
				g.errs[i] = err
			}
		}
	}
}

// move gives a file its name. Where that is a link and an unlink the second may
// fail, and the message is there.
func (s *Spool) move(tmp string, id ID) error {
	err := s.dir.Move(tmp, id.file())
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, gone := s.dir.Lstat(id.file()); errors.Is(gone, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w: it may be sent all the same: %w", mailbox.ErrUnknownOutcome, err)
}

// fault is an error of this package.
func fault(op string, err error) error { return &mailbox.Error{Op: "outbox: " + op, Err: err} }
