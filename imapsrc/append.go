package imapsrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/internal/spool"
	"github.com/postroom-go/postroom/mailbox"
)

// staleAfter is how long a connection may have been unused before it is tried
// with a NOOP ahead of what must not be sent twice.
const staleAfter = 5 * time.Second

// Append adds a message: see mailbox.Append. With opts.Size it streams from the
// reader to the server, and the reader should not dawdle: the connection waits
// for it; one that reads from this Mailbox through a wrapper needs a connection of
// its own. A message that is longer or shorter ends the connection, and with it
// the server's half of the message. When ctx ends Append returns, though a Read of
// message that is stuck may still be under way.
func (m *Mailbox) Append(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
	if opts == nil {
		opts = &mailbox.AppendOptions{}
	}
	a := &appending{m: m, folder: folderName(folder), opts: opts, src: message, size: opts.Size}
	id, err := a.run(ctx)
	if err != nil {
		return mailbox.ID{}, opError("append", a.folder, mailbox.ID{}, err)
	}
	return id, nil
}

// appending is one Append.
type appending struct {
	m      *Mailbox
	ctx    context.Context
	folder string
	opts   *mailbox.AppendOptions
	src    io.Reader
	size   int64

	buf      []byte // for source
	begun    bool   // the message has been read from, or octets of it sent
	whole    bool   // all of it was handed to the connection
	readErr  error  // of src
	appended mailbox.ID
}

func (a *appending) run(ctx context.Context) (mailbox.ID, error) {
	if err := a.check(); err != nil {
		return mailbox.ID{}, err
	}
	own, end := a.m.begin(ctx)
	defer end(nil)
	a.ctx = own
	if a.size <= 0 || a.m.reads(a.src) {
		sp := spool.New(nil)
		defer sp.Close()
		if err := a.spool(sp); err != nil {
			return mailbox.ID{}, ended(ctx, err)
		}
	}
	for try := 0; ; try++ {
		err, gone := a.m.exchange(own, want{}, a.send)
		switch {
		case err == nil:
			return a.appended, nil
		case gone && !a.begun && try < retries && ctx.Err() == nil:
			continue // the connection had died before
		}
		return mailbox.ID{}, a.reason(own, ended(ctx, err))
	}
}

// check refuses what can be refused without a connection.
func (a *appending) check() error {
	if err := checkFlags(a.opts.Flags); err != nil {
		return err
	}
	if _, raw := a.m.learnt.rawNames.Load(a.folder); raw {
		return fmt.Errorf("the folder's name is not in modified UTF-7: %w", errors.ErrUnsupported)
	}
	if _, err := imapwire.EncodeMailbox(a.folder); err != nil {
		return fmt.Errorf("%w: %w", mailbox.ErrNotFound, err)
	}
	return a.checkSize(a.m.caps.AppendLimit)
}

func (a *appending) checkSize(limit int64) error {
	if limit > 0 && a.size > limit {
		return fmt.Errorf("%w: the server takes %d octets", mailbox.ErrTooLarge, limit)
	}
	return nil
}

// spool reads the message, whose size is not known, into memory or a file.
func (a *appending) spool(sp *spool.Spool) error {
	src := a.src
	if limit := a.m.caps.AppendLimit; limit > 0 {
		src = io.LimitReader(src, limit+1)
	}
	if a.size > 0 {
		src = io.LimitReader(src, a.size+1)
	}
	a.src = src
	n, err := sp.ReadFrom(source{a})
	if err != nil {
		return err
	}
	sp.CloseWithError(nil)
	if a.size > 0 && n != a.size {
		return fmt.Errorf("the message does not have the %d octets that were announced", a.size)
	}
	a.src, a.size = sp, n
	return a.checkSize(a.m.caps.AppendLimit)
}

// send runs one APPEND.
func (a *appending) send(s *session) error {
	if err := s.freshen(); err != nil {
		return err
	}
	if err := a.folderLimit(s); err != nil {
		return err
	}
	uid, epoch, err := s.engineAppend(a)
	if err != nil {
		return err
	}
	if uid != 0 && epoch != 0 && (s.sel.folder != a.folder || s.sel.epoch == epoch) && a.m.caps.AppendID {
		a.appended = newID(a.folder, epoch, uid)
	}
	return nil
}

// folderLimit asks for the folder's own limit, if the server has such (RFC 7889
// section 4).
func (a *appending) folderLimit(s *session) error {
	if !s.caps["APPENDLIMIT"] {
		return nil
	}
	cmd, err := s.wire.Start("STATUS", a.m.folderArg(a.folder), imapwire.Raw("(APPENDLIMIT)"))
	if err != nil {
		return err
	}
	limit := uint64(0)
	for r, err := range each(cmd) {
		if err != nil {
			if err = s.reason(err, phaseSelect); refused(err) {
				break // APPEND will say why
			}
			return err
		}
		if args, err := r.Args(); err == nil && r.Name == "STATUS" && strings.EqualFold(args.At(1).At(0).String(), "APPENDLIMIT") {
			limit, _ = args.At(1).At(1).Number()
		}
	}
	return a.checkSize(int64(min(limit, 1<<62)))
}

// copy writes the message, and holds its last octet back until it is certain
// that it is the last.
func (a *appending) copy(w io.Writer) error {
	a.begun = true
	n, err := io.Copy(w, io.LimitReader(source{a}, a.size-1))
	if err != nil {
		return err
	}
	var last, more [1]byte
	if _, err := io.ReadFull(source{a}, last[:]); err != nil || n < a.size-1 {
		if a.readErr == nil {
			a.readErr = fmt.Errorf("the message is shorter than the %d octets that were announced", a.size)
		}
		return a.readErr
	}
	if k, _ := io.ReadFull(source{a}, more[:]); k > 0 {
		a.readErr = fmt.Errorf("the message is longer than the %d octets that were announced", a.size)
	}
	if a.readErr != nil {
		return a.readErr
	}
	if _, err = w.Write(last[:]); err == nil {
		a.whole = true
	}
	return err
}

// source reads the message and keeps its error, to tell it from the
// connection's.
type source struct{ a *appending }

func (s source) Read(p []byte) (int, error) {
	n, err := s.read(p)
	if s.a.ctx.Err() != nil {
		n, err = 0, mailconn.ContextError(s.a.ctx) // before the last of it is sent
	}
	if err != nil && err != io.EOF {
		s.a.readErr = fmt.Errorf("reading the message: %w", err)
		err = s.a.readErr
	}
	return n, err
}

// read does not wait for the reader when the context has ended.
func (s source) read(p []byte) (int, error) {
	a := s.a
	if a.ctx.Err() != nil {
		return 0, mailconn.ContextError(a.ctx) // the buffer may be in use still
	}
	if a.buf == nil {
		a.buf = make([]byte, 32<<10)
	}
	type result struct {
		n   int
		err error
	}
	buf, done := a.buf[:min(len(p), len(a.buf))], make(chan result, 1)
	go func() {
		n, err := a.src.Read(buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		return copy(p, buf[:r.n]), r.err
	case <-a.ctx.Done():
		return 0, mailconn.ContextError(a.ctx)
	}
}

// reads reports whether r is a body of this mailbox: then reading it needs a
// connection, which Append must not hold meanwhile.
func (m *Mailbox) reads(r io.Reader) bool {
	switch b := r.(type) {
	case *body:
		return b.m == m
	case *boundBody:
		return b.m == m
	case *decoded:
		return true
	}
	return false
}

// reason gives a failure its meaning: the reader's own, the server's, or that
// nobody knows.
func (a *appending) reason(ctx context.Context, err error) error {
	var status *StatusError
	refusal := errors.As(err, &status) && status.Kind != "BYE"
	switch {
	case a.readErr != nil:
		return a.readErr
	case a.whole && !refusal:
		return unknownOutcome(err)
	case refusal && status.sentinel == nil && a.folder != mailbox.Inbox:
		// Without a response code it may be a folder that is not there.
		lerr := a.m.do(ctx, want{}, true, func(s *session) error {
			there, err := s.selectable(a.folder)
			if err == nil && !there {
				status.sentinel = mailbox.ErrNotFound
			}
			return err
		})
		_ = lerr // the refusal says enough
	}
	return err
}
