package imapwire

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// route sees to a response whose first segment has been read. It gives the
// command that must read it, if any. The caller has set reading.
func (c *Conn) route(r *Response, start int64) (*Command, error) {
	switch h := &r.head; {
	case h.kind == 'e':
		return nil, c.countStray(r)
	case h.kind == '+':
		return nil, c.continuation(bytes.TrimRight(r.Text(), "\r\n"))
	case h.kind == 't':
		return nil, c.tagged(h, r.Text(), start)
	case h.status:
		return c.untaggedStatus(r)
	}
	return c.data(r)
}

// tagged completes a command.
func (c *Conn) tagged(h *head, rest []byte, start int64) error {
	c.mu.Lock()
	var p *pending
	for i, q := range c.pending {
		if q.tag == string(h.tag) {
			p = q
			c.pending = append(c.pending[:i:i], c.pending[i+1:]...)
			break
		}
	}
	c.stray = 0
	c.mu.Unlock()
	switch {
	case p == nil:
		return violation("an answer to no command of ours")
	case start < p.after:
		return violation("an answer that came before its command")
	case h.name == "BYE":
		c.sayBye(parseStatus(p.tag, h.name, rest))
		return fmt.Errorf("%w: %w", mailbox.ErrUnavailable, parseStatus(p.tag, h.name, rest))
	case h.name != "OK" && h.name != "NO" && h.name != "BAD":
		return violation("an answer that is no OK, NO or BAD")
	}
	s := parseStatus(p.tag, h.name, rest)
	c.learn(s)
	if p.eng != nil {
		return c.engineAnswer(p.eng, s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Kind == "OK" && p.raw.continued < len(p.raw.parts)-1 {
		return violation("an OK to half a command")
	}
	p.raw.status = s
	return nil
}

// untaggedStatus sees to OK, NO, BAD, BYE and PREAUTH.
func (c *Conn) untaggedStatus(r *Response) (*Command, error) {
	s := parseStatus("", r.head.name, r.Text())
	if s.Kind == "PREAUTH" {
		return nil, violation("PREAUTH that is no greeting")
	}
	if s.Kind == "BYE" {
		c.sayBye(s)
	}
	c.learn(s)
	if c.opts.OnStatus != nil {
		c.opts.OnStatus(*s)
	}
	switch p := c.current(); {
	case p == nil || s.Kind != "OK" || !selects(p.name()):
	case p.raw != nil:
		r.Status = s
		return p.raw, p.raw.count()
	default:
		c.engineCode(s)
	}
	if s.Code == "CAPABILITY" {
		c.engineCaps(s.Args)
	}
	return nil, c.countStray(r)
}

func (c *Conn) sayBye(s *Status) {
	c.mu.Lock()
	c.bye = s
	c.mu.Unlock()
}

// data sees to all that is neither tagged nor a status.
func (c *Conn) data(r *Response) (*Command, error) {
	h := &r.head
	if h.name == "CAPABILITY" {
		c.learn(&Status{Code: h.name, Args: string(r.Text())})
	}
	switch p := c.current(); {
	case p != nil && p.raw != nil && answers(p.name(), h.name):
		return p.raw, p.raw.count()
	case p != nil && p.eng != nil && engineTakes(p.name(), h.name):
		c.engineData(r)
	case h.name == "CAPABILITY":
		c.engineCaps(string(r.Text()))
	case !comesUnasked(h.name) && c.firstPending(func(p *pending) bool { return answers(p.name(), h.name) && p.raw != nil && !p.raw.ahead }) != nil:
		return nil, violation("data for a later command before the answer to an earlier one")
	default:
		c.update(h)
	}
	return nil, c.countStray(r)
}

// current is the first command that waits for its answer and that somebody
// reads. Data is for it or for nobody: servers take commands in their order
// (RFC 9051 section 5.5), and what they say unasked must not be taken for the
// answer to a command behind.
func (c *Conn) current() *pending {
	return c.firstPending(func(p *pending) bool { return p.raw == nil || !p.raw.ahead })
}

// comesUnasked reports whether servers send a response of that name at any
// time.
func comesUnasked(name string) bool {
	switch name {
	case "FETCH", "EXISTS", "RECENT", "FLAGS", "LIST", "STATUS", "ENABLED", "ID":
		return true
	}
	return false
}

func (c *Conn) update(h *head) {
	if c.opts.OnUpdate == nil {
		return
	}
	switch h.name {
	case "EXISTS", "EXPUNGE", "RECENT", "VANISHED":
		c.opts.OnUpdate(h.name, h.num)
	}
}

// countStray counts a response that no command reads, and bounds what of it
// will be skipped.
func (c *Conn) countStray(r *Response) error {
	c.mu.Lock()
	c.stray++
	n := c.stray
	c.mu.Unlock()
	switch lim := &c.opts.Limits; {
	case n > lim.Untagged:
		return tooLarge("more than %d responses that nobody asked for", lim.Untagged)
	case r.seg.body > int64(lim.Response):
		return tooLarge("an unexpected body of %d octets", r.seg.body)
	}
	return nil
}

func (c *Conn) firstPending(is func(*pending) bool) *pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pending {
		if is(p) {
			return p
		}
	}
	return nil
}

func (p *pending) name() string {
	if p.raw != nil {
		return p.raw.name
	}
	return p.eng.name
}

// continuation passes a "+" to the one who waits for it.
func (c *Conn) continuation(text []byte) error {
	if p := c.firstPending(func(p *pending) bool {
		return p.raw != nil && p.raw.continued < len(p.raw.parts)-1 || p.eng != nil && (p.eng.sasl || p.eng.plus > 0)
	}); p != nil {
		if p.eng != nil {
			return c.engineContinue(p.eng, text)
		}
		c.mu.Lock()
		p.raw.continued++
		c.mu.Unlock()
		return nil
	}
	return violation("a continuation request that nobody waits for")
}

func selects(command string) bool { return command == "SELECT" || command == "EXAMINE" }

// answers reports whether a response of that name is data of a command.
func answers(command, response string) bool {
	switch command {
	case response, "UID " + response:
		return true
	}
	switch response {
	case "FETCH":
		return command == "STORE" || command == "UID STORE"
	case "FLAGS", "EXISTS", "RECENT":
		return selects(command)
	case "ESEARCH":
		return strings.HasSuffix(command, "SEARCH")
	case "STATUS":
		return command == "LIST"
	case "LIST":
		return command == "XLIST"
	case "ENABLED":
		return command == "ENABLE"
	case "QUOTA", "QUOTAROOT":
		return command == "GETQUOTA" || command == "GETQUOTAROOT"
	}
	return false
}
