package sent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox"
)

// File files the copy of a message that was sent, unless it is there already:
// doing it twice is doing it once, as far as the message has a Message-ID and the
// mailbox tells envelopes. The copy is marked as seen. opts may be nil, and so may
// mb if there is an Options.Local.
//
// It may be called for several messages at once, but for each by one call at a time,
// Send included: two that look before either has added add two copies. No server
// adds a message on the condition that it is not there yet, so this holds for two
// programs as it does for two goroutines.
//
// The error is ErrNotFiled and its reason, such as mailbox.ErrQuota, or
// errors.ErrUnsupported where there is nowhere to file it. An APPEND whose answer
// is lost is looked for, and done once more if it is not there. The Copy is never
// nil.
func File(ctx context.Context, mb mailbox.Mailbox, msg Message, opts *Options) (*Copy, error) {
	f := newFiling(mb, msg, opts)
	if f.opts.Policy == Never {
		return &f.copy, nil
	}
	if err := f.run(ctx); err != nil {
		f.copy.State = NotFiled
		f.copy.Err = &mailbox.Error{Op: "file copy", Folder: f.copy.Folder, Err: fmt.Errorf("%w: %w", ErrNotFiled, err)}
		return &f.copy, f.copy.Err
	}
	return &f.copy, nil
}

// prove looks for the copy of a message of which nobody knows whether it was
// sent, where the provider files it.
func prove(ctx context.Context, mb mailbox.Mailbox, msg Message, opts *Options) Copy {
	f := newFiling(mb, msg, opts)
	if !f.theirs() || f.opts.Policy == Never || mb == nil {
		return f.copy
	}
	if err := f.await(ctx); err != nil {
		f.copy.Err = err
	}
	if f.copy.State == Expected {
		f.copy.State = NotFiled
	}
	return f.copy
}

// filing is one File.
type filing struct {
	mb   mailbox.Mailbox // nil if there is none to add to
	msg  Message
	opts Options
	by   *provider
	ids  []string // Message-IDs that the copy may have
	copy Copy
}

func newFiling(mb mailbox.Mailbox, msg Message, opts *Options) *filing {
	f := &filing{mb: mb, msg: msg, opts: opts.resolved()}
	if own := cleanID(msg.MessageID()); own != "" {
		f.ids = append(f.ids, own)
		f.copy.MessageID = own
	}
	if theirs := rewritten(f.opts.Receipt, f.opts.Server); theirs != "" {
		f.ids = append(f.ids, theirs)
		f.copy.MessageID = theirs
	}
	if mb != nil && f.opts.Policy == Auto {
		f.by = providerOf(mb, f.opts.Server)
	}
	return f
}

// theirs reports whether the provider files the copy for certain.
func (f *filing) theirs() bool {
	return f.opts.Policy == ByServer || f.by != nil && f.by.sure
}

func (f *filing) run(ctx context.Context) error {
	local := f.opts.Local
	if f.mb != nil && f.theirs() {
		if err := f.await(ctx); err != nil {
			f.copy.State, f.copy.Err = Expected, err
		}
		return nil
	}
	var err error
	switch {
	case f.mb != nil && f.mb.Caps().Append:
		if err = f.into(ctx, f.mb); err == nil || local == nil || ctx.Err() != nil {
			return err
		}
		f.copy.Err = err
	case local == nil:
		return fmt.Errorf("the account has no way to add messages, and there is no Options.Local: %w", errors.ErrUnsupported)
	}
	f.by, f.copy.Local, f.copy.Folder = nil, true, ""
	if lerr := f.into(ctx, local); lerr != nil {
		return errors.Join(lerr, err)
	}
	return nil
}

// await looks for the copy that the provider files.
func (f *filing) await(ctx context.Context) error {
	f.copy.State = Expected
	p, err := f.find(ctx, f.mb)
	if err != nil {
		return err
	}
	f.copy.Folder = p.name
	if p.name == "" {
		return fmt.Errorf("the server shows no Sent folder: %w", mailbox.ErrNotFound)
	}
	_, err = f.found(ctx, f.mb, p.name, f.opts.Looks)
	return err
}

// into files the copy in mb.
func (f *filing) into(ctx context.Context, mb mailbox.Mailbox) error {
	p, err := f.find(ctx, mb)
	if err != nil {
		return err
	}
	f.copy.Folder = p.name
	if p.name == "" {
		if f.copy.Folder, err = create(ctx, mb, p); err != nil {
			return err
		}
	} else {
		looks := 1
		if f.by != nil {
			looks = f.opts.Looks // he may be about to
		}
		if ok, err := f.found(ctx, mb, p.name, looks); ok || err != nil {
			return err
		}
	}
	return f.add(ctx, mb, p)
}

// add adds the copy. Whatever goes wrong on the way to a full account is mended
// once: a folder that is not there after all (TRYCREATE, RFC 9051 section
// 6.3.12), and a connection that was lost.
func (f *filing) add(ctx context.Context, mb mailbox.Mailbox, p place) error {
	made, again := false, false
	for {
		id, err := f.append(ctx, mb)
		switch {
		case err == nil:
			f.copy.State, f.copy.ID = Filed, id
			return nil
		case errors.Is(err, mailbox.ErrNotFound) && !made:
			made = true
			p.name = f.copy.Folder
			if _, cerr := create(ctx, mb, p); cerr != nil {
				return errors.Join(err, cerr)
			}
		case !again && (errors.Is(err, mailbox.ErrUnknownOutcome) || errors.Is(err, mailbox.ErrUnavailable)):
			again = true
			if !f.looksWork(mb) && errors.Is(err, mailbox.ErrUnknownOutcome) {
				return err
			}
			ok, lerr := f.found(ctx, mb, f.copy.Folder, f.opts.Looks)
			switch {
			case ok:
				f.copy.State = Filed
				return nil
			case lerr != nil:
				return errors.Join(err, lerr)
			}
		default:
			return err
		}
	}
}

// append adds the copy, and does not look.
func (f *filing) append(ctx context.Context, mb mailbox.Mailbox) (mailbox.ID, error) {
	src, err := f.msg.OpenCopy(ctx)
	if err != nil {
		return mailbox.ID{}, fmt.Errorf("opening the message: %w", err)
	}
	defer func() { _ = src.Close() }()
	var body io.Reader = src
	if f.opts.Send == nil || !f.opts.Send.Binary {
		body = newLines(body)
	}
	if f.opts.DropBcc {
		body = mailmime.WithoutBcc(body)
	}
	received := f.opts.Received
	if received.IsZero() {
		received = time.Now()
	}
	return mailbox.Append(ctx, mb, f.copy.Folder, body, &mailbox.AppendOptions{
		Flags: []mailbox.Flag{mailbox.FlagSeen}, Received: received,
	})
}

// cleanID is a Message-ID without its angle brackets.
func cleanID(id string) string {
	id = strings.TrimSpace(id)
	if inner, ok := strings.CutPrefix(id, "<"); ok {
		id = strings.TrimSuffix(inner, ">")
	}
	return id
}
