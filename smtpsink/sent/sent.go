package sent

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// ErrNotFiled: the message is sent and its copy was not filed. Do not send it
// again; call File.
var ErrNotFiled = errors.New("the copy of the sent message was not filed")

// Message is a message to be sent and kept. Package compose makes them; Raw makes
// one of a file.
type Message interface {
	// MessageID is its Message-ID, with angle brackets or without; empty if it
	// has none.
	MessageID() string
	// Envelope is who it is from and to.
	Envelope() *smtpsink.Envelope
	// Open gives the message to be sent, from its beginning, each time. ctx
	// covers the reader's life.
	Open(ctx context.Context) (io.ReadCloser, error)
	// OpenCopy is Open for the copy, which has a Bcc field if the message has
	// recipients by Bcc.
	OpenCopy(ctx context.Context) (io.ReadCloser, error)
}

// Result is what became of a message and of its copy.
type Result struct {
	// Receipt is the sender's. It is not nil.
	Receipt *smtpsink.Receipt
	// Copy is what became of the copy.
	Copy Copy
}

// State says whether there is a copy.
type State int

// The states.
const (
	// NotFiled: there is none. Copy.Err says why; if that is nil none was
	// wanted, or the message is not sent.
	NotFiled State = iota
	// Filed: it was added.
	Filed
	// Found: it was there already, by an earlier call or by the provider.
	Found
	// Expected: the provider files it, and it was not to be seen yet.
	Expected
)

// String names the state.
func (s State) String() string {
	switch s {
	case NotFiled:
		return "not filed"
	case Filed:
		return "filed"
	case Found:
		return "found"
	case Expected:
		return "expected"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// Copy is what became of the copy.
type Copy struct {
	// State says whether there is one.
	State State
	// Folder is where it is, or where it was to be; empty if that is not known.
	Folder string
	// ID is its ID; zero if the mailbox does not tell (see
	// mailbox.Caps.AppendID).
	ID mailbox.ID
	// Local says that it is in Options.Local. Folder and ID are of that
	// mailbox.
	Local bool
	// MessageID is what the recipients see as the Message-ID, without angle
	// brackets: the message's own, unless the server is one of those that write
	// their own and said which.
	MessageID string
	// Err is what went wrong. With NotFiled it is why; with Filed or Found in
	// Options.Local it is why the account's own mailbox does not have it; with
	// Expected it is why nobody could look.
	Err error
}

// Send sends a message and files the copy. opts may be nil.
//
// If the sender does not take the message the error is the sender's, and no copy
// is filed. If the message is sent and the copy is not filed, the error is
// ErrNotFiled to errors.Is and no other sentinel, so that it is not taken for a
// failure of sending; Result.Copy.Err has the reason. If both went wrong, as when
// only some recipients were accepted, it is both. The Result is never nil.
//
// Where it is unknown whether the message was sent (mailbox.ErrUnknownOutcome) no
// copy is filed. If the provider files copies, Send looks for it: Copy.State Found
// then proves that the message was sent, though the error and the Receipt stay as
// they are.
//
// The context covers sending and filing. If it ends when the message is sent, the
// copy is not filed: call File.
func Send(ctx context.Context, sender smtpsink.Sender, mb mailbox.Mailbox, msg Message, opts *Options) (*Result, error) {
	o := opts.resolved()
	if o.Server == "" {
		o.Server = accountOf(sender)
	}
	receipt, err := send(ctx, sender, msg, o.Send)
	r := &Result{Receipt: receipt, Copy: Copy{MessageID: cleanID(msg.MessageID())}}
	o.Receipt = receipt
	switch receipt.Outcome {
	case smtpsink.Accepted:
		filed, ferr := File(ctx, mb, msg, &o)
		r.Copy = *filed
		if ferr != nil {
			err = errors.Join(err, &notFiled{ferr})
		}
	case smtpsink.Unknown:
		r.Copy = prove(ctx, mb, msg, &o)
	}
	return r, err
}

// send hands the message over. The receipt is not nil.
func send(ctx context.Context, sender smtpsink.Sender, msg Message, opts *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	env := msg.Envelope()
	body, err := msg.Open(ctx)
	if err != nil {
		return emptyReceipt(env, smtpsink.NotSent), &mailbox.Error{Op: "send", Err: fmt.Errorf("opening the message: %w", err)}
	}
	defer func() { _ = body.Close() }()
	receipt, err := sender.Send(ctx, env, body, withSize(opts, msg))
	switch {
	case receipt != nil:
	case err == nil:
		receipt = emptyReceipt(env, smtpsink.Accepted)
	case errors.Is(err, mailbox.ErrUnknownOutcome):
		receipt = emptyReceipt(env, smtpsink.Unknown)
	default:
		receipt = emptyReceipt(env, smtpsink.NotSent)
	}
	return receipt, err
}

// withSize tells the size of a message that knows it, as package compose's do, so
// that a server can refuse it before it is sent.
func withSize(opts *smtpsink.SendOptions, msg Message) *smtpsink.SendOptions {
	sized, ok := msg.(interface{ Size() int64 })
	if !ok || opts != nil && opts.Size != 0 {
		return opts
	}
	var o smtpsink.SendOptions
	if opts != nil {
		o = *opts
	}
	o.Size = max(sized.Size(), 0)
	return &o
}

// emptyReceipt stands for the one that is missing.
func emptyReceipt(env *smtpsink.Envelope, outcome smtpsink.Outcome) *smtpsink.Receipt {
	r := &smtpsink.Receipt{Outcome: outcome}
	if env != nil {
		for _, to := range env.To {
			r.Recipients = append(r.Recipients, smtpsink.Recipient{Address: to, Outcome: outcome})
		}
	}
	return r
}

// notFiled is Send's error for a copy that was not filed. It says why and does
// not unwrap to it: what is temporary about the copy, or unknown, is not so about
// the message.
type notFiled struct{ why error }

func (e *notFiled) Error() string { return "the message is sent: " + e.why.Error() }
func (e *notFiled) Unwrap() error { return ErrNotFiled }
