package smtpsink

import (
	"errors"
	"fmt"
	"io"

	"github.com/postroom-go/postroom/mailbox"
)

// transaction is one message on its way.
type transaction struct {
	*order
	msg    *Message  // SendAll's
	closer io.Closer // its body, until that is closed; SendAll's
	src    *content
	first  []byte // the first block of the message
	whole  bool   // which is all of it
	start  int64  // where it begins in what can seek, or -1

	body     string // the BODY parameter
	withUTF8 bool
	began    bool // more than the first block was read
	tries    int  // sessions that were lost
	sent     bool // on the present session; SendAll's
	ready    bool // to be yielded; guarded by SendAll's mu

	// Guarded by the session's mu from begin on.
	receipt   *Receipt
	mailDone  bool
	rcptsDone int
	accepted  int    // recipients
	failed    *Reply // the refusal that counts
	failedTo  string // the recipient, if it is his
	spent     bool   // its MAIL was one too many for the connection
	dataDone  bool
	asked     bool // by 354: the server waits for the message
	chunkBad  *Reply
	finals    int   // answers to the message that are awaited
	bodyAt    int64 // where it begins in what the session writes; 0 if not put yet
	end       int64 // where it ends in what the session writes; 0 if not put yet
	done      bool
	err       error
	bulk      *bulk // is told when it is done, with mu held; SendAll's
}

// newTransaction checks the envelope and reads the first block.
func newTransaction(env *Envelope, message io.Reader, opts *SendOptions) *transaction {
	t := &transaction{receipt: &Receipt{}}
	if env != nil {
		t.receipt.Recipients = make([]Recipient, len(env.To))
		for i, to := range env.To {
			t.receipt.Recipients[i].Address = to
		}
	}
	o, err := newOrder(env, opts)
	if err == nil && message == nil {
		err = errors.New("there is no message")
	}
	if err != nil {
		t.done, t.err = true, err
		return t
	}
	t.order, t.start = o, -1
	if seeker, ok := message.(io.Seeker); ok {
		if start, err := seeker.Seek(0, io.SeekCurrent); err == nil {
			t.start = start
		}
	}
	t.src = &content{src: message, binary: o.opts.Binary, keep: o.opts.KeepBcc}
	t.first, err = t.src.next()
	switch {
	case err == io.EOF:
		t.whole = true
	case err != nil:
		t.done, t.err = true, err
	}
	return t
}

// recycle is for the one who is the last to know the transaction.
func (t *transaction) recycle() {
	if t.src != nil {
		t.first = nil
		t.src.recycle()
	}
}

// size is the message's, 0 if it is not known.
func (t *transaction) size() int64 {
	if t.whole {
		return int64(len(t.first))
	}
	return t.opts.Size
}

// suits makes up its mind about what the message needs of the server, before
// anything is sent.
func (t *transaction) suits(c *Caps) error {
	if err := t.offered(c); err != nil {
		return err
	}
	if err := fits(max(t.size(), t.src.octets), c); err != nil {
		return err
	}
	t.body = ""
	switch {
	case t.opts.Binary:
		t.body = "BINARYMIME"
	case c.EightBit && (t.src.eight || !t.whole):
		t.body = "8BITMIME"
	}
	t.withUTF8 = t.utf8
	if t.src.utf8 && !t.src.notUTF8 && c.UTF8 {
		t.withUTF8 = true
	}
	return t.stillSuits(c)
}

// stillSuits looks at what was read so far.
func (t *transaction) stillSuits(c *Caps) error {
	switch {
	case t.src.eight && t.body == "":
		return fmt.Errorf("%w: the message has octets above 127, and the server does not offer 8BITMIME: encode them in quoted-printable or base64", errors.ErrUnsupported)
	case t.src.utf8 && !t.src.notUTF8 && !t.withUTF8:
		return fmt.Errorf("%w: the header has raw UTF-8, and the server does not offer SMTPUTF8: encode it as RFC 2047 has it", errors.ErrUnsupported)
	}
	return fits(t.src.octets, c)
}

// replayable reports whether it can begin anew.
func (t *transaction) replayable() bool { return t.whole || !t.began }

// reset forgets what a session that was lost said.
func (t *transaction) reset() {
	for i := range t.receipt.Recipients {
		t.receipt.Recipients[i] = Recipient{Address: t.env.To[i]}
	}
	t.mailDone, t.rcptsDone, t.accepted, t.failed, t.failedTo, t.spent = false, 0, 0, nil, "", false
	t.dataDone, t.asked, t.chunkBad, t.finals, t.bodyAt, t.end = false, false, nil, 0, 0, 0
}

// answered takes a reply. An error is of the session.
func (t *transaction) answered(s *session, st step, a answer) error {
	good, bad := a.code/100 == 2, a.code >= 400
	if st.kind == stepData {
		good = a.code == 354
	}
	if !good && !bad {
		return fmt.Errorf("%w: %w", mailbox.ErrProtocol, s.reply(st.kind.command(), a))
	}
	switch st.kind {
	case stepMail:
		t.mailDone = true
		if bad {
			t.failed = s.reply("MAIL", a)
			if s.messages > 0 && t.failed.Code == 452 && t.failed.Enhanced == "4.5.3" {
				// Enough messages for one connection (OpenSMTPD). It may stay open.
				t.spent, s.spent = true, t.failed
			}
		}
	case stepRcpt:
		t.rcptAnswered(s, &t.receipt.Recipients[st.rcpt], s.reply("RCPT", a))
	case stepData:
		t.dataDone, t.asked = true, good
		if bad && t.failed == nil {
			t.failed = s.reply("DATA", a)
		}
	case stepChunk:
		if bad && t.chunkBad == nil {
			t.chunkBad = s.reply("BDAT", a)
		}
	case stepFinal:
		return t.finalAnswered(s, st.rcpt, a)
	}
	s.cond.Broadcast()
	return nil
}

func (t *transaction) rcptAnswered(s *session, rcpt *Recipient, r *Reply) {
	t.rcptsDone++
	if t.failed != nil && t.failed.Command == "MAIL" {
		return // it says no more than that
	}
	rcpt.Reply = r
	if r.Code < 400 {
		t.accepted++
		return
	}
	rcpt.Outcome = Rejected
	s.calm = calmMessages
	if t.failed == nil && (!t.opts.Partial || t.rcptsDone == len(t.to) && t.accepted == 0) {
		t.failed, t.failedTo = r, rcpt.Address
	}
}

// finalAnswered takes the answer to the message, or in LMTP one recipient's.
func (t *transaction) finalAnswered(s *session, i int, a answer) error {
	r := s.reply("message", a)
	t.finals--
	if r.Code < 400 && t.failed != nil && t.failed.Command != "message" {
		t.spent = false
		return fmt.Errorf("%w: the server took a message that it had refused before: %w", mailbox.ErrProtocol, t.failed)
	}
	if r.Code < 400 && t.receipt.QueueID == "" {
		t.receipt.QueueID = queueID(r.Text)
	}
	if !s.lmtp || t.receipt.Reply == nil || t.receipt.Reply.Code >= 400 {
		t.receipt.Reply = r
	}
	outcome := Accepted
	if r.Code >= 400 {
		outcome = Rejected
		if t.failed == nil {
			t.failed = r
			if s.lmtp {
				t.failedTo = t.receipt.Recipients[i].Address
			}
		}
	}
	for j := range t.receipt.Recipients {
		rcpt := &t.receipt.Recipients[j]
		if rcpt.Reply == nil || rcpt.Outcome != NotSent || s.lmtp && i != j {
			continue
		}
		rcpt.Outcome = outcome
		if s.lmtp || outcome == Rejected {
			rcpt.Reply = r
		}
	}
	if t.finals == 0 {
		t.complete(s)
	}
	return nil
}

// complete is for a transaction of which all is known. The caller holds mu.
func (t *transaction) complete(s *session) {
	if t.spent {
		return // another connection may take it
	}
	t.receipt.Outcome = Rejected
	whole := t.failed != nil && t.failed.Command != "RCPT"
	for i := range t.receipt.Recipients {
		rcpt := &t.receipt.Recipients[i]
		switch {
		case rcpt.Outcome == Accepted:
			t.receipt.Outcome = Accepted
		case whole && rcpt.Outcome == NotSent:
			// The message was refused, for everybody who was left.
			rcpt.Outcome, rcpt.Reply = Rejected, t.failed
		}
	}
	if t.failed != nil && !(t.opts.Partial && t.receipt.Outcome == Accepted) {
		t.err = t.failed
		if t.failedTo != "" {
			t.err = fmt.Errorf("recipient %s: %w", t.failedTo, t.failed)
		}
		if t.receipt.Outcome == Rejected {
			t.receipt.Reply = t.failed
		}
	}
	s.messages++
	t.conclude()
	s.cond.Broadcast()
}

func (t *transaction) conclude() {
	t.done = true
	if t.bulk != nil {
		t.bulk.ready(t)
	}
}

// fail concludes a transaction of which nothing was handed over whole.
func (t *transaction) fail(err error) {
	t.receipt.Outcome, t.receipt.Reply, t.receipt.Octets = NotSent, nil, 0
	for i := range t.receipt.Recipients {
		if rcpt := &t.receipt.Recipients[i]; rcpt.Outcome != Rejected {
			rcpt.Outcome = NotSent
		}
	}
	t.err = err
	t.conclude()
}

// settle decides on a transaction that is not done when the session is over.
// again says that it was not sent, and nothing is decided. The caller owns the
// session.
func (t *transaction) settle(s *session) (again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.done {
		return false
	}
	refused := t.failed != nil && (t.mailDone && t.failed.Command == "MAIL" || t.rcptsDone == len(t.to))
	begun := t.bodyAt > 0 && t.bodyAt < s.handed
	left := s.goodbye != nil && (!refused || s.parted(t))
	switch {
	case t.spent || left && !(begun && t.asked) && (!s.lmtp || t.receipt.Reply == nil):
		return true
	case t.end == 0 || t.end > s.handed:
		if !begun {
			return true
		}
		// The server has nothing of it, if it is as it should be.
		t.fail(fmt.Errorf("the connection was lost in the middle of the message: %w", s.err))
		return false
	case refused && !s.lmtp:
		t.complete(s)
		return false
	}
	t.receipt.Outcome = Unknown
	for i := range t.receipt.Recipients {
		if rcpt := &t.receipt.Recipients[i]; rcpt.Outcome == NotSent {
			rcpt.Outcome = Unknown
		}
	}
	t.err = fmt.Errorf("%w: the message was handed over and the answer lost: %w", mailbox.ErrUnknownOutcome, s.err)
	t.conclude()
	return false
}
