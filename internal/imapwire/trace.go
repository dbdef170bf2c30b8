package imapwire

import (
	"bytes"
	"fmt"
	"strings"
)

// maxTrace is how much of a line is traced.
const maxTrace = 1 << 10

func (c *Conn) traceSent(line string) {
	if c.opts.Trace != nil {
		c.opts.Trace(true, line[:min(len(line), maxTrace)])
	}
}

// redact leaves of a command that carries a secret its name, and of
// AUTHENTICATE its mechanism.
func redact(command string) string {
	words := strings.SplitN(command, " ", 4)
	switch {
	case len(words) > 2 && strings.EqualFold(words[1], "LOGIN"):
		return words[0] + " " + words[1] + " ***"
	case len(words) > 3 && strings.EqualFold(words[1], "AUTHENTICATE"):
		return strings.Join(words[:3], " ") + " ***"
	}
	return command
}

// traceSegment traces the lines of what was read, literals counted.
func (c *Conn) traceSegment(seg segment) {
	if c.opts.Trace == nil {
		return
	}
	var line []byte
	for rest := seg.octets; len(rest) > 0 && len(line) < maxTrace; {
		i := bytes.IndexByte(rest, '\n') + 1
		size, mark, err := literalAtEnd(rest[:i])
		if err != nil || size < 0 || size > int64(len(rest)-i) {
			line = append(line, bytes.TrimRight(rest[:i], "\r\n")...)
			rest = rest[i:]
			continue
		}
		line = append(line, rest[:mark]...)
		line = fmt.Appendf(line, "[%d octets]", size)
		rest = rest[i+int(size):]
	}
	if line = line[:min(len(line), maxTrace)]; len(line) > 0 && line[0] == '+' && c.authenticating() {
		line = []byte("+ ***")
	}
	c.opts.Trace(false, string(line))
}

// traceBody traces a body instead of its octets.
func (c *Conn) traceBody(size int64) {
	if c.opts.Trace != nil {
		c.opts.Trace(false, fmt.Sprintf("[%d octets]", size))
	}
}

func (c *Conn) authenticating() bool {
	p := c.firstPending(func(p *pending) bool { return p.name() == "AUTHENTICATE" })
	return p != nil
}
