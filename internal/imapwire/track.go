package imapwire

import (
	"bytes"
	"strconv"
	"strings"
)

// tracker follows what the engine writes: where its commands begin and end, and
// what they wait for. It is under Conn.wmu.
type tracker struct {
	c       *Conn
	line    []byte         // of the present line, so far
	literal int64          // octets of a literal still to come
	cmd     *engineCommand // begun, or in its SASL exchange
	shown   []byte         // of the command, for the trace
}

// between reports whether another command may be written now.
func (t *tracker) between() bool {
	if t.cmd != nil && t.cmd.sasl && t.isDone(t.cmd) {
		t.cmd = nil
	}
	return t.cmd == nil && len(t.line) == 0 && t.literal == 0
}

func (t *tracker) isDone(cmd *engineCommand) bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return cmd.done
}

// feed takes what is about to be written, and gives what to write instead.
func (t *tracker) feed(p []byte) ([]byte, error) {
	if !t.between() && t.cmd != nil && t.cmd.sasl && string(p) == "=\r\n" {
		// An empty response is an empty line; "=" stands for it only behind the
		// name of the mechanism (RFC 9051 section 6.2.2).
		p = p[1:]
	}
	for rest := p; len(rest) > 0; {
		if t.literal > 0 {
			n := min(t.literal, int64(len(rest)))
			t.literal -= n
			rest = rest[n:]
			continue
		}
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			t.line = append(t.line, rest...)
			return p, t.begin(false)
		}
		t.line = append(t.line, rest[:i+1]...)
		rest = rest[i+1:]
		if err := t.endLine(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// begin notes a command as outstanding as soon as its name can be read.
func (t *tracker) begin(whole bool) error {
	if t.cmd != nil {
		return nil
	}
	words := strings.SplitN(strings.TrimRight(string(t.line[:min(len(t.line), 80)]), "\r\n"), " ", 4)
	if !whole && len(words) < 4 {
		return nil
	}
	tag := words[0]
	if n, err := strconv.ParseUint(strings.TrimPrefix(tag, "T"), 10, 64); err != nil || n == 0 || tag[0] != 'T' || len(words) < 2 {
		return violation("the engine was made to write something that is no command")
	}
	cmd := &engineCommand{tag: tag, name: strings.ToUpper(words[1])}
	if cmd.name == "UID" && len(words) > 2 {
		cmd.name += " " + strings.ToUpper(words[2])
	}
	t.cmd = cmd
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = append(c.pending, &pending{tag: tag, eng: cmd, after: c.rd.got.Load()})
	c.engine.waiting++
	c.turn.Broadcast()
	return nil
}

// endLine sees to a line that is complete.
func (t *tracker) endLine() error {
	line := bytes.TrimRight(t.line, "\r\n")
	if t.cmd != nil && t.cmd.sasl {
		t.line = t.line[:0]
		t.c.traceSent("***")
		return nil
	}
	if bytes.ContainsAny(line, "\r\x00") {
		return violation("the engine was made to write a control character")
	}
	if err := t.begin(true); err != nil {
		return err
	}
	size, mark, err := literalAtEnd(t.line)
	if err != nil {
		return err
	}
	if t.c.opts.Trace != nil {
		t.show(line, size, mark)
	}
	t.c.mu.Lock()
	switch {
	case size < 0:
		t.cmd.complete = true
		t.cmd.sasl = t.cmd.name == "AUTHENTICATE"
		t.cmd.initial = t.cmd.sasl && bytes.Count(line, []byte(" ")) > 2
	case line[len(line)-2] != '+':
		t.cmd.plus++
	}
	t.c.mu.Unlock()
	t.line = t.line[:0]
	switch {
	case size >= 0:
		t.literal = size
	case !t.cmd.sasl:
		t.cmd = nil
	}
	return nil
}

// show collects a command for the trace, and traces it at its end.
func (t *tracker) show(line []byte, size int64, mark int) {
	if size >= 0 {
		t.shown = append(t.shown, line[:mark]...)
		t.shown = append(t.shown, "["+strconv.FormatInt(size, 10)+" octets]"...)
		return
	}
	t.c.traceSent(redact(string(append(t.shown, line...))))
	t.shown = t.shown[:0]
}
