package mailtest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"
)

// maxContentShown is how much of a message is written into the transcript.
const maxContentShown = 1 << 10

// content is what comes after DATA, up to its end and without the dots that
// hide others (RFC 5321 section 4.5.2). Its end is CRLF "." CRLF and nothing
// else. At the end go-smtp gets its own end of data.
type content struct {
	f     *smtpFront
	rest  []byte // read and not given away
	mid   bool   // in the middle of a line
	cr    bool   // the last octet was CR
	over  bool
	shown int
}

func (c *content) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if c.over {
			return 0, io.EOF
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// fill reads a line, or a part of one that is longer than the buffer.
func (c *content) fill() error {
	// Replies that were held back go out before anything is waited for.
	if err := c.f.wait(true); err != nil {
		return err
	}
	defer c.f.wait(false)
	frag, err := c.f.br.ReadSlice('\n')
	if len(frag) == 0 || err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	c.show(frag)
	crlf := bytes.HasSuffix(frag, []byte("\r\n")) || c.cr && string(frag) == "\n"
	if !c.mid && frag[0] == '.' {
		if string(frag) == ".\r\n" {
			c.over = true
			c.f.pending = []byte(".\r\n")
			return nil
		}
		frag = frag[1:]
	}
	c.mid, c.cr = !crlf, bytes.HasSuffix(frag, []byte("\r"))
	c.rest = append(c.rest[:0], frag...)
	return nil
}

// show writes down the beginning of a message.
func (c *content) show(frag []byte) {
	if c.shown > maxContentShown {
		return
	}
	c.shown += len(frag)
	if c.shown > maxContentShown {
		c.f.said.note("and more of the message")
		return
	}
	c.f.said.add('C', frag)
}

// messageFault is what is wrong with a message and its answer.
type messageFault struct {
	reply   replyFault
	err     error // answered so, and not stored
	bye     string
	ended   bool
	limited bool // the connection ends after so many octets of the message, or
	limit   int64
	stall   bool // nothing more happens
}

// strike says what faults there are at a message, in LMTP at an answer to it.
func (f *smtpFront) strike() messageFault {
	var m messageFault
	for _, fault := range f.host.faults.take(f.proto, "DATA") {
		switch fault.Kind {
		case FaultCut, FaultStall:
			m.limited, m.limit, m.stall = true, fault.N, fault.Kind == FaultStall
		case FaultDelay:
			m.reply.delay += fault.Delay
		case FaultGarbage:
			m.reply.garbage = append(m.reply.garbage, fault.Text+"\r\n"...)
		case FaultReply:
			m.err = smtpReply(fault.Text)
		case FaultBye:
			m.bye, m.ended = fault.Text, true
		}
	}
	return m
}

// message gives a message that has come by BDAT, or reads one after DATA. An
// error means that it did not come whole, or is too large.
func (f *smtpFront) message(at *transaction) ([]byte, error) {
	if at.sub.Chunks > 0 {
		f.pending = []byte(".\r\n")
		return at.body.Bytes(), nil
	}
	at.fault = f.strike()
	r := &content{f: f}
	if at.fault.limited {
		_, err := io.CopyN(&at.body, r, at.fault.limit)
		if err == nil {
			return nil, f.stop(&at.fault)
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	limit := f.host.maxMessage()
	if _, err := at.body.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
		return nil, err
	}
	if int64(at.body.Len()) > limit {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return nil, err
		}
		return nil, refuse(552, smtp.EnhancedCode{5, 3, 4}, "the message is too large")
	}
	return at.body.Bytes(), nil
}

// stop ends the connection in the middle of a message, or does nothing more.
func (f *smtpFront) stop(m *messageFault) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault.stall = m.stall
	return f.endEarly()
}

// prepare sets the faults of the answer to a message that was taken.
func (f *smtpFront) prepare(m *messageFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.limited {
		f.fault = replyFault{limited: true, stall: m.stall}
		return
	}
	if m.reply.delay > 0 || m.reply.garbage != nil {
		f.fault.delay, f.fault.garbage = m.reply.delay, m.reply.garbage
	}
}

// smtpReply reads "451 4.7.1 slow down".
func smtpReply(text string) error {
	word, rest, _ := strings.Cut(text, " ")
	code, err := strconv.Atoi(word)
	if err != nil {
		return errors.New(text)
	}
	e := &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: rest}
	var class, subject, detail int
	if n, _ := fmt.Sscanf(rest, "%d.%d.%d ", &class, &subject, &detail); n == 3 {
		e.EnhancedCode = smtp.EnhancedCode{class, subject, detail}
		_, e.Message, _ = strings.Cut(rest, " ")
	}
	return e
}
