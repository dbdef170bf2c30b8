package mailboxtest

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/batch"
	"github.com/postroom-go/postroom/mailbox/folders"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// The shapes of a driver's methods.
type (
	foldersFunc  = func(ctx context.Context, opts *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error]
	listFunc     = func(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error]
	openFunc     = func(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error)
	openPartFunc = func(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error)
	fetchFunc    = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error]
	deleteFunc   = func(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error
	setFlagsFunc = func(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error
	createFunc   = func(ctx context.Context, name string, opts *folders.CreateOptions) error
	batchFunc    = func(ctx context.Context, folder string) (batch.Batch, error)
	appendFunc   = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error)
)

// driver is a driver whose methods can be exchanged one by one. As it comes it
// is the memory driver, with a connection that can be cut and sessions that may
// exclude each other.
type driver struct {
	mem      *memory.Mailbox
	acc      *account
	caps     func() mailbox.Caps
	folders  foldersFunc
	list     listFunc
	open     openFunc
	openPart openPartFunc
	fetch    fetchFunc
	del      deleteFunc
	setFlags setFlagsFunc
	add      appendFunc
	create   createFunc
	batch    batchFunc
	end      func() error

	release sync.Once
}

func (d *driver) Caps() mailbox.Caps { return d.caps() }

func (d *driver) Folders(ctx context.Context, opts *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
	return d.folders(ctx, opts)
}

func (d *driver) List(ctx context.Context, folder string, opts *mailbox.ListOptions) iter.Seq2[*mailbox.Summary, error] {
	if opts == nil {
		opts = &mailbox.ListOptions{}
	}
	return d.list(ctx, folder, opts)
}

func (d *driver) Open(ctx context.Context, id mailbox.ID, opts *mailbox.OpenOptions) (io.ReadCloser, error) {
	if opts == nil {
		opts = &mailbox.OpenOptions{}
	}
	return d.open(ctx, id, opts)
}

func (d *driver) OpenPart(ctx context.Context, id mailbox.ID, part string, opts *mailbox.OpenPartOptions) (io.ReadCloser, error) {
	return d.openPart(ctx, id, part, opts)
}

func (d *driver) Fetch(ctx context.Context, ids []mailbox.ID, opts *mailbox.FetchOptions) iter.Seq2[*mailbox.Message, error] {
	return d.fetch(ctx, ids, opts)
}

func (d *driver) Delete(ctx context.Context, ids []mailbox.ID, opts *mailbox.DeleteOptions) error {
	return d.del(ctx, ids, opts)
}

func (d *driver) SetFlags(ctx context.Context, ids []mailbox.ID, change mailbox.FlagChange, opts *mailbox.SetFlagsOptions) error {
	return d.setFlags(ctx, ids, change, opts)
}

func (d *driver) Append(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	return d.add(ctx, folder, message, opts)
}

func (d *driver) CreateFolder(ctx context.Context, name string, opts *folders.CreateOptions) error {
	return d.create(ctx, name, opts)
}

func (d *driver) Close() error { return d.end() }

func (d *driver) CharsetReader(label string, r io.Reader) (io.Reader, error) {
	return d.mem.CharsetReader(label, r)
}

// batcher is a driver with batches of its own.
type batcher struct{ *driver }

func (b batcher) NewBatch(ctx context.Context, folder string) (batch.Batch, error) {
	return b.batch(ctx, folder)
}

// account is one account of the tests: a store and what its sessions share.
type account struct {
	store    *memory.Store
	caps     mailbox.Caps
	alter    func(*driver)
	sessions atomic.Int64
	cuts     atomic.Int64
	inUse    atomic.Bool
	single   bool // there are no batches
}

// session opens a session. Where they exclude each other a second one is
// refused.
func (a *account) session() (mailbox.Mailbox, error) {
	if a.caps.Exclusive && !a.inUse.CompareAndSwap(false, true) {
		return nil, &mailbox.Error{Op: "login", Err: mailbox.ErrBusy}
	}
	a.sessions.Add(1)
	mem := memory.New(&memory.Options{Store: a.store, Caps: &a.caps})
	d := &driver{mem: mem, acc: a, folders: mem.Folders, list: mem.List, open: mem.Open, openPart: mem.OpenPart,
		fetch: mem.Fetch, del: mem.Delete, setFlags: mem.SetFlags, create: mem.CreateFolder, batch: mem.NewBatch}
	closed := make(chan struct{})
	d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
		return mem.Append(ctx, folder, watched(ctx, closed, message), opts)
	}
	d.caps = func() mailbox.Caps { return a.caps }
	d.end = func() error {
		d.release.Do(func() { close(closed); a.inUse.Store(false) })
		return mem.Close()
	}
	if a.alter != nil {
		a.alter(d)
	}
	if a.single {
		return d, nil
	}
	return batcher{d}, nil
}

// config is a Config for accounts of the tests; alter may be nil.
func config(caps mailbox.Caps, alter func(*driver)) Config {
	return Config{
		New: func(t testing.TB) *Instance {
			a := &account{store: memory.NewStore(), caps: caps, alter: alter}
			box, err := a.session()
			if err != nil {
				t.Fatal(err)
			}
			return &Instance{
				Box:          box,
				Reopen:       a.session,
				Deliver:      func(folder string, raw []byte) error { return a.store.Deliver(folder, raw, nil) },
				NewEpoch:     a.store.NewEpoch,
				Interrupt:    func() { a.cuts.Add(1) },
				CreateFolder: func(name string) error { return a.store.CreateFolder(name, "") },
				Secrets:      []string{secret},
			}
		},
		Caps:      caps,
		LargeSize: smallLarge,
	}
}

// watched is a message that ends with its context or with the mailbox, even if
// they end with the last Read.
func watched(ctx context.Context, closed chan struct{}, message io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		n, err := message.Read(p)
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-closed:
			return 0, mailbox.ErrClosed
		default:
			return n, err
		}
	})
}

// smallLarge is the large message of most tests here; it is larger than all
// others.
const smallLarge = 12_000

// secret is the password of the tests' accounts.
const secret = "canary-5ecret"

// wiredCaps are those of a server that can do everything.
func wiredCaps() mailbox.Caps {
	caps := memory.AllCaps()
	caps.Connections = 1
	return caps
}

// popCaps are those of a usual POP3 server.
func popCaps() mailbox.Caps {
	return mailbox.Caps{Protocol: "POP3", StableIDs: true, Envelopes: true, Headers: true, Delete: true, Exclusive: true, Connections: 1}
}

// failedCases runs the whole suite on a driver and gives the names of the cases
// that fail, with what they say.
func failedCases(t testing.TB, cfg Config) map[string][]string {
	t.Helper()
	failed := map[string][]string{}
	for _, c := range allCases() {
		if cfg.notApplicable(c) != "" {
			continue
		}
		if failures, _ := cfg.runCase(t, c); len(failures) > 0 {
			failed[c.Name] = failures
		}
	}
	return failed
}

// reader is a body whose Read was exchanged.
type reader struct {
	io.Reader
	io.Closer
}

// readerFunc is a function as an io.Reader.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// altered is a body with what alter makes of it.
func altered(body io.ReadCloser, err error, alter func(io.Reader) io.Reader) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	return reader{alter(body), body}, nil
}

// errBroken is an error of a broken driver that no rule allows.
var errBroken = errors.New("broken on purpose")
