package smtpsink

import (
	"fmt"
	"io"
	"strconv"

	"github.com/postroom-go/postroom/mailbox"
)

// errTakesBodies: who sends BDAT to such a server has the octets of a refused
// message taken for commands, and with them what a stranger wrote.
var errTakesBodies = fmt.Errorf("%w: the server takes the octets of a refused BDAT for commands", mailbox.ErrProtocol)

// transmit sends the transaction. With ahead it may come back before the
// message is answered, or even asked for; its end is put then, and not flushed. An
// error is of the session, which is over; settle the transaction then.
func (s *session) transmit(t *transaction, ahead bool) error {
	caps := &s.caps
	if s.isSpent() {
		return s.await(func() bool { return false })
	}
	optimistic := ahead && s.mayHurry(t)
	if err := s.begin(t, ahead); err != nil {
		return err
	}
	if optimistic {
		s.dirty = true
		return s.lastChunk(t, t.first)
	}
	if !caps.Chunking {
		if !caps.Pipelining {
			if stop, err := s.refused(t); stop {
				return err
			}
		}
		if err := s.command(step{t: t, kind: stepData}, "DATA\r\n"); err != nil {
			return err
		}
	}
	err := s.await(func() bool { return t.rcptsDone == len(t.to) && (caps.Chunking || t.dataDone) })
	if err != nil {
		return err
	}
	if stop, err := s.refused(t); stop {
		return err
	}
	s.dirty = false
	if caps.Chunking {
		return s.sendChunks(t)
	}
	return s.sendData(t)
}

// mayHurry reports whether the message may be sent before its recipients are
// answered for: it must be nobody's if one of them is refused, and the server
// must throw it away then. Each refusal costs two errors so, and Postfix cuts the
// connection at twenty; after one the next messages wait.
func (s *session) mayHurry(t *transaction) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calm > 0 {
		s.calm--
		return false
	}
	return s.discards && s.caps.Pipelining && s.caps.Chunking &&
		t.whole && (len(t.to) == 1 || t.opts.Partial)
}

func (s *session) messageCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.messages
}

func (s *session) isSpent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spent != nil
}

// isAsking reports whether the server was asked for discards and has not answered.
// One that hangs up then may have done so because of that.
func (s *session) isAsking() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asking
}

// forgo does without CHUNKING.
func (s *session) forgo() { s.caps.Chunking, s.caps.Binary = false, false }

// begin sends MAIL and RCPT.
func (s *session) begin(t *transaction, ahead bool) error {
	s.mu.Lock()
	t.reset()
	s.mu.Unlock()
	// The message before may not be answered yet.
	if err := s.turn(func() bool { return s.head == len(s.steps) }); err != nil {
		return err
	}
	if (ahead || !t.whole) && s.caps.Pipelining && s.caps.Chunking && !s.probed {
		// Three octets of no transaction: if the server does not throw them
		// away it refuses them as a command, and then does RSET.
		s.mu.Lock()
		s.probed, s.asking = true, true
		s.mu.Unlock()
		s.expect(step{kind: stepProbe}, step{kind: stepProbed})
		if err := s.putLine([]byte("BDAT 3\r\nX\r\nRSET\r\n")); err != nil {
			return err
		}
	} else if s.dirty {
		if err := s.command(step{kind: stepReset}, "RSET\r\n"); err != nil {
			return err
		}
		if err := s.turn(func() bool { return s.head == len(s.steps) }); err != nil {
			return err
		}
	}
	// What MAIL begins is ended by the message or by another RSET.
	s.dirty = true
	s.expect(step{t: t, kind: stepMail})
	if err := s.putLine(t.appendMail(s.line[:0], &s.caps, s.ext, t.size(), t.body, t.withUTF8)); err != nil {
		return err
	}
	if err := s.turn(func() bool { return t.mailDone }); err != nil {
		return err
	}
	for i := range t.to {
		if !s.caps.Pipelining && s.mailRefused(t) {
			break
		}
		s.expect(step{t: t, kind: stepRcpt, rcpt: i})
		if err := s.putLine(t.appendRcpt(s.line[:0], i)); err != nil {
			return err
		}
		if err := s.turn(func() bool { return t.rcptsDone == i+1 }); err != nil {
			return err
		}
	}
	return nil
}

// turn waits for the answer where the server must not get more before.
func (s *session) turn(done func() bool) error {
	if s.caps.Pipelining {
		return nil
	}
	return s.await(done)
}

func (s *session) mailRefused(t *transaction) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.failed == nil || t.failed.Command != "MAIL" {
		return false
	}
	t.rcptsDone = len(t.to)
	return true
}

// refused ends a transaction that must not go on.
func (s *session) refused(t *transaction) (stop bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case t.failed == nil:
		return false, nil
	case s.parted(t):
		return true, s.err
	}
	s.dirty = t.failed.Command != "MAIL"
	t.complete(s)
	if !t.asked {
		return true, nil
	}
	// The server waits for the message now, and whatever ends it could be taken
	// for one. So nothing ends it.
	s.mu.Unlock()
	defer s.mu.Lock()
	return true, s.abort(fmt.Errorf("%w: recipients were refused, and the server waits for the message", mailbox.ErrUnavailable))
}

// command has one command sent.
func (s *session) command(st step, line string) error {
	s.expect(st)
	return s.putLine([]byte(line))
}

// putLine puts whole command lines.
func (s *session) putLine(line []byte) error {
	s.traceLines(line)
	return s.put(line)
}

// sendChunks sends the message by BDAT.
func (s *session) sendChunks(t *transaction) error {
	block, whole := t.first, t.whole
	for !whole {
		if err := s.chunk(t, block); err != nil {
			return err
		}
		// With PIPELINING it was proved that chunks behind a refused one are
		// thrown away.
		if err := s.turn(func() bool { return s.head == len(s.steps) }); err != nil {
			return err
		}
		if bad := s.chunkRefused(t); bad != nil {
			return s.await(func() bool { return t.done })
		}
		var err error
		if block, whole, err = s.more(t); err != nil {
			return err
		}
	}
	return s.lastChunk(t, block)
}

// more reads the next block. If that fails the message must not be ended.
func (s *session) more(t *transaction) (block []byte, last bool, err error) {
	t.began = true
	block, err = t.src.next()
	last = err == io.EOF
	if last {
		err = nil
	}
	if err == nil {
		err = t.stillSuits(&s.caps)
	}
	if err == nil {
		err = s.calledOff()
	}
	if err != nil {
		_ = s.abort(err)
		s.mu.Lock()
		defer s.mu.Unlock()
		t.fail(err)
		return nil, false, err
	}
	return block, last, nil
}

func (s *session) chunk(t *transaction, block []byte) error {
	if len(block) == 0 {
		return nil
	}
	s.mark(t)
	s.expect(step{t: t, kind: stepChunk})
	return s.putChunk(block, "\r\n")
}

func (s *session) putChunk(block []byte, end string) error {
	line := append(strconv.AppendInt(append(s.line[:0], "BDAT "...), int64(len(block)), 10), end...)
	if err := s.putLine(line); err != nil {
		return err
	}
	s.traceOctets(len(block))
	return s.put(block)
}

// chunkRefused gives up a message of which the server did not take a part.
func (s *session) chunkRefused(t *transaction) *Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.chunkBad != nil {
		t.failed, s.dirty = t.chunkBad, true
		t.complete(s)
	}
	return t.chunkBad
}

// lastChunk ends the message.
func (s *session) lastChunk(t *transaction, block []byte) error {
	s.mark(t)
	s.expectFinal(t, len(block)+len("BDAT  LAST\r\n")+len(strconv.Itoa(len(block))))
	return s.putChunk(block, " LAST\r\n")
}

// expectFinal is expect for the answer to the message, whose last octet is n
// octets ahead.
func (s *session) expectFinal(t *transaction, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.end = s.queued + int64(n)
	t.receipt.Octets = t.src.octets
	t.finals = 1
	if !s.lmtp {
		s.steps = append(s.steps, step{t: t, kind: stepFinal})
		return
	}
	// One answer for each recipient who was not refused (RFC 2033 section 4.2).
	t.finals = t.accepted
	for i, rcpt := range t.receipt.Recipients {
		if rcpt.Outcome != Rejected {
			s.steps = append(s.steps, step{t: t, kind: stepFinal, rcpt: i})
		}
	}
}

// sendData sends the message behind DATA.
func (s *session) sendData(t *transaction) error {
	var d dotStuffer
	var stuffed []byte
	block, whole := t.first, t.whole
	s.mark(t)
	s.setCurrent(t)
	defer s.setCurrent(nil)
	for {
		stuffed = d.stuff(stuffed[:0], block)
		if whole {
			break
		}
		s.traceOctets(len(stuffed))
		if err := s.put(stuffed); err != nil {
			return err
		}
		var err error
		if block, whole, err = s.more(t); err != nil {
			return err
		}
	}
	stuffed = append(stuffed, ".\r\n"...)
	s.traceOctets(len(stuffed))
	s.expectFinal(t, len(stuffed))
	return s.put(stuffed)
}

// mark notes where the message begins: from there on it is not sent again by
// itself, unless the server says that it has not done it.
func (s *session) mark(t *transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.bodyAt == 0 {
		t.bodyAt = s.queued
	}
}

// setCurrent says whose octets are on their way while the server owes nothing.
func (s *session) setCurrent(t *transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = t
}

func (s *session) traceOctets(n int) {
	if s.conn.Tracing() {
		s.conn.Trace(true, fmt.Sprintf("[%d octets]", n))
	}
}
