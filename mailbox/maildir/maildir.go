package maildir

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom-go/postroom/internal/disk"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
	"github.com/postroom-go/postroom/mailbox/charset"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// Layout is how folders lie in the directory.
type Layout int

const (
	// MaildirPP is Maildir++: INBOX is the directory itself, the folder A/B is
	// .A.B in it.
	MaildirPP Layout = iota
	// Plain makes folders directories: A/B is A/B. INBOX is the directory itself
	// if that holds messages already, as with Dovecot's LAYOUT=fs, else INBOX in
	// it, as is usual with mbsync's SubFolders Verbatim.
	Plain
)

// Options are the options of [Open]. Nil and zero are safe.
type Options struct {
	// Layout is how folders lie in the directory; zero is MaildirPP.
	Layout Layout
	// LF stores messages with LF for CRLF, as programs of Unix do and Dovecot
	// takes as well. Messages are always read as they are stored.
	LF bool
	// Roles says what folders are for, by their names. Roles that are not in it
	// go by well-known names.
	Roles map[string]mailbox.Role
	// NoIndex neither reads nor writes the index of the folders.
	NoIndex bool
	// MustExist fails with mailbox.ErrNotFound if there is no Maildir, rather
	// than make it.
	MustExist bool
	// Logger is told what goes wrong aside: an index that cannot be written, a
	// directory that is no folder. Nil is silence.
	Logger *slog.Logger
}

// Mailbox is a Maildir. It implements the optional interfaces of package
// mailbox; all methods are safe for concurrent use.
type Mailbox struct {
	path string
	opts Options
	log  *slog.Logger

	// What makes file names unique, and what tests put in its place.
	now  func() time.Time
	rand io.Reader
	host string
	pid  int
	sep  string // between a name and its flags

	deliveries atomic.Int64 // so far

	root   *shared
	closed chan struct{}
	once   sync.Once
	// ending is held to end the session, and shared by what changes the store:
	// after Close nothing changes any more.
	ending sync.RWMutex

	creating sync.Mutex // held to make folders
	mu       sync.Mutex // of what follows
	tree     *tree      // the folders, as they were when last listed
	states   map[string]*state
	scanned  []*state // those that remember a scan, the latest last
}

var (
	_ mailbox.Mailbox        = (*Mailbox)(nil)
	_ mailbox.PartOpener     = (*Mailbox)(nil)
	_ mailbox.FlagSetter     = (*Mailbox)(nil)
	_ mailbox.Appender       = (*Mailbox)(nil)
	_ batch.Batcher          = (*Mailbox)(nil)
	_ folders.Creator        = (*Mailbox)(nil)
	_ mailbox.CharsetDecoder = (*Mailbox)(nil)
)

// Open opens the Maildir in a directory, and makes both if they are not there,
// with mode 0700. opts may be nil. The caller must Close the mailbox.
func Open(dir string, opts *Options) (*Mailbox, error) {
	if opts == nil {
		opts = &Options{}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, failure("open", err)
	}
	open := disk.OpenNew
	if opts.MustExist {
		open = disk.Open
	}
	files, err := open(abs)
	if err != nil {
		return nil, failure("open", notFound(err))
	}
	mb, err := openOn(files, opts, func(mb *Mailbox) { mb.path = abs })
	if err != nil {
		_ = files.Close()
		return nil, err
	}
	mb.root.owned = true
	return mb, nil
}

// OpenOn is Open on a file system of one's own; it is what the tests of this
// module use. Close leaves files open.
func OpenOn(files disk.Dir, opts *Options) (*Mailbox, error) { return openOn(files, opts, nil) }

// openOn opens; set, which may be nil, changes the new Mailbox before it is
// used.
func openOn(files disk.Dir, opts *Options, set func(*Mailbox)) (*Mailbox, error) {
	mb := &Mailbox{
		now: time.Now, rand: rand.Reader, host: hostName(), pid: os.Getpid(), sep: ":2,", log: slog.New(slog.DiscardHandler),
		root: &shared{dir: files}, closed: make(chan struct{}), states: map[string]*state{},
	}
	if runtime.GOOS == "windows" {
		mb.sep = ";2," // a colon is no part of a name there
	}
	if opts != nil {
		mb.opts = *opts
	}
	if mb.opts.Logger != nil {
		mb.log = mb.opts.Logger
	}
	if set != nil {
		set(mb)
	}
	if err := mb.prepare(); err != nil {
		return nil, failure("open", err)
	}
	return mb, nil
}

// Dir is the path of the directory, absolute; "" if the Mailbox was made by
// OpenOn.
func (mb *Mailbox) Dir() string { return mb.path }

// StateDir is the directory itself, for files that belong to the account; no
// program takes a file without a dot at the beginning for mail there. It is good
// until Close.
func (mb *Mailbox) StateDir() disk.Dir { return mb.root.dir }

// Account names the account, for what remembers its messages: maildir:// and the
// path.
func (mb *Mailbox) Account() string { return "maildir://" + filepath.ToSlash(mb.path) }

// Caps says what a Maildir can do: all but to limit anything.
func (mb *Mailbox) Caps() mailbox.Caps {
	return mailbox.Caps{
		Protocol: "maildir",
		Folders:  true, StableIDs: true, Envelopes: true, Structure: true, Parts: true, Headers: true,
		Received: true, Flags: true, Keywords: true, Delete: true, Append: true, AppendID: true,
	}
}

// CharsetReader knows the charsets of package mailbox/charset.
func (mb *Mailbox) CharsetReader(label string, r io.Reader) (io.Reader, error) {
	return charset.NewReader(label, r)
}

// Close ends the session: see mailbox.Mailbox. It waits for a change that is
// just being made to reach the disk, and never fails.
func (mb *Mailbox) Close() error {
	mb.once.Do(func() {
		mb.ending.Lock()
		close(mb.closed)
		mb.ending.Unlock()
		mb.root.end()
	})
	return nil
}

// commit does f, which changes the store, unless ctx or the mailbox has ended
// before.
func (mb *Mailbox) commit(ctx context.Context, f func() error) error {
	mb.ending.RLock()
	defer mb.ending.RUnlock()
	if err := mb.check(ctx); err != nil {
		return err
	}
	return f()
}

// check is why a call under ctx must end now, or nil.
func (mb *Mailbox) check(ctx context.Context) error {
	select {
	case <-mb.closed:
		return mailbox.ErrClosed
	default:
		return ctx.Err()
	}
}

// shared is the root directory, kept open until Close and the last call that
// uses it have ended.
type shared struct {
	dir   disk.Dir
	owned bool // to be closed

	mu    sync.Mutex
	users int
	ended bool
}

// use gives the directory until done is called.
func (s *shared) use() (done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, mailbox.ErrClosed
	}
	s.users++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.users--
		s.close()
	}), nil
}

func (s *shared) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.close()
}

func (s *shared) close() {
	if s.ended && s.users == 0 && s.owned {
		_ = s.dir.Close()
	}
}

// hostName is the host's name as file names can hold it.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	name = name[:min(len(name), 60)]
	safe := []byte(name)
	for i, c := range safe {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.':
		default:
			safe[i] = '_'
		}
	}
	return string(safe)
}

// prepare makes INBOX, or finds that it is there.
func (mb *Mailbox) prepare() error {
	inbox, err := mb.inbox()
	if err != nil {
		return err
	}
	if isDir(mb.root.dir, inbox+"/cur") {
		return nil
	}
	if mb.opts.MustExist {
		return fmt.Errorf("there is no Maildir: %w", mailbox.ErrNotFound)
	}
	return mb.makeFolder(inbox)
}
