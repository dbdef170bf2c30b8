package imapwire

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/postroom-go/postroom/internal/mailmime"
)

// engineRoom is the most that may wait for the engine to read it.
const engineRoom = 1 << 20

// engine is the connection that go-imap's client gets.
type engine struct {
	c *Conn
	// Under Conn.mu: responses in their canonical form, and how many of its
	// commands are outstanding.
	out     []byte
	waiting int
}

// engineCommand is a command of the engine's, under Conn.mu.
type engineCommand struct {
	tag, name string
	complete  bool // all of it was written
	done      bool // answered
	plus      int  // literals of it that the server must ask for
	sasl      bool // AUTHENTICATE: its challenges and responses follow
	initial   bool // it brought an initial response
	rounds    int
}

// Engine gives the connection for imapclient.New; it is called once, after
// Greeting and STARTTLS. The engine is greeted with the capabilities caps, which
// must come from inside TLS; if there are none it asks for them.
//
// Deadlines that the engine sets are ignored. When the connection breaks the
// engine sees its end, and Err tells why. Closing it closes the Conn.
func (c *Conn) Engine(caps []string) net.Conn {
	e := &engine{c: c}
	code := ""
	if list := canonicalCaps(strings.Join(caps, " ")); list != "" {
		code = "[CAPABILITY" + list + "] "
	}
	e.out = []byte("* OK " + code + "ready\r\n")
	c.learn(&Status{Code: "CAPABILITY", Args: strings.Join(caps, " ")})
	c.mu.Lock()
	c.engine = e
	c.mu.Unlock()
	return e
}

// Read gives what the engine may see. It waits, without reading the
// connection, while no command of the engine is outstanding.
func (e *engine) Read(p []byte) (int, error) {
	c := e.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case len(e.out) > 0:
			n := copy(p, e.out)
			if e.out = e.out[n:]; len(e.out) == 0 {
				e.out = nil
			}
			return n, nil
		case c.err != nil:
			return 0, io.EOF
		case e.waiting == 0 || c.reading || c.owner != nil:
			c.turn.Wait()
		default:
			c.reading = true
			c.mu.Unlock()
			c.readOne()
			c.mu.Lock()
		}
	}
}

// Write sends what the engine writes, behind whatever is queued.
func (e *engine) Write(p []byte) (int, error) {
	c := e.c
	c.wmu.Lock()
	defer c.wmu.Unlock()
	var out []byte
	var err error
	if c.sent.between() {
		if out, _, err = c.takeQueue(nil, false); err != nil {
			return 0, err
		}
	}
	rewritten, err := c.sent.feed(p)
	if err != nil {
		return 0, c.fail(err)
	}
	if len(out) > 0 {
		rewritten = append(out, rewritten...)
	}
	if err := c.write(rewritten); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (e *engine) Close() error                     { return e.c.Close() }
func (e *engine) LocalAddr() net.Addr              { return e.c.nc.LocalAddr() }
func (e *engine) RemoteAddr() net.Addr             { return e.c.nc.RemoteAddr() }
func (e *engine) SetDeadline(time.Time) error      { return nil }
func (e *engine) SetReadDeadline(time.Time) error  { return nil }
func (e *engine) SetWriteDeadline(time.Time) error { return nil }

// tell lets the engine read parts, as one response.
func (c *Conn) tell(parts ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.engine; e != nil {
		for _, p := range parts {
			e.out = append(e.out, p...)
		}
		e.out = append(e.out, "\r\n"...)
		c.turn.Broadcast()
	}
}

// engineAnswer passes on a tagged answer.
func (c *Conn) engineAnswer(eng *engineCommand, s *Status) error {
	if c.opts.OnStatus != nil {
		c.opts.OnStatus(*s)
	}
	c.mu.Lock()
	early := s.Kind == "OK" && !eng.complete
	eng.done = true
	c.engine.waiting--
	full := len(c.engine.out) > engineRoom
	c.mu.Unlock()
	switch {
	case early:
		return violation("an OK to half a command")
	case full:
		return tooLarge("responses that the engine does not read")
	}
	code := ""
	switch {
	case s.Code == "CAPABILITY":
		code = "[CAPABILITY" + canonicalCaps(s.Args) + "] "
	case s.Code == "APPENDUID":
		code = appendUID(s.Args)
	case s.Code != "COPYUID" && isAtom(s.Code):
		code = "[" + s.Code + "] "
	}
	c.tell(s.Tag, " ", s.Kind, " ", code, engineText(s.Text))
	return nil
}

func appendUID(args string) string {
	validity, uid, _ := strings.Cut(args, " ")
	if !isNonZero32(validity) || !isNonZero32(uid) {
		return ""
	}
	return "[APPENDUID " + args + "] "
}

func isNonZero32(s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && n > 0 && s[0] != '+'
}

// engineText cleans text for the engine, which takes an empty one, and one that
// begins with a bracket, for a mistake.
func engineText(s string) string {
	s = strings.TrimLeft(mailmime.Printable(s, maxText), "[ ")
	if s == "" {
		return "-"
	}
	return s
}

// engineCode passes on the codes of untagged OKs that SELECT is about.
func (c *Conn) engineCode(s *Status) {
	code := ""
	switch s.Code {
	case "UIDVALIDITY", "UIDNEXT":
		if isNonZero32(s.Args) {
			code = s.Code + " " + s.Args
		}
	case "HIGHESTMODSEQ":
		if n, err := strconv.ParseUint(s.Args, 10, 63); err == nil && n > 0 {
			code = s.Code + " " + strconv.FormatUint(n, 10)
		}
	case "PERMANENTFLAGS":
		if flags, ok := canonicalFlags([]byte(s.Args), &c.opts.Limits); ok {
			code = s.Code + " " + flags
		}
	case "CLOSED", "NOMODSEQ":
		code = s.Code
	}
	if code != "" {
		c.tell("* OK [", code, "] -")
	}
}

// engineCaps passes on capabilities, if the engine is listening.
func (c *Conn) engineCaps(args string) {
	c.mu.Lock()
	listening := c.engine != nil && c.engine.waiting > 0 && len(c.engine.out) < engineRoom
	c.mu.Unlock()
	if listening {
		c.tell("* CAPABILITY", canonicalCaps(args))
	}
}

// engineTakes reports whether the engine sees data of that name while that
// command of it is outstanding.
func engineTakes(command, response string) bool {
	switch response {
	case "CAPABILITY":
		return true
	case "FLAGS", "EXISTS":
		return selects(command)
	case "ENABLED":
		return command == "ENABLE"
	}
	return false
}

// engineData passes on what engineTakes has let through.
func (c *Conn) engineData(r *Response) {
	switch r.Name {
	case "CAPABILITY":
		c.engineCaps(string(r.Text()))
	case "EXISTS":
		c.tell("* ", strconv.FormatUint(uint64(r.Num), 10), " EXISTS")
	case "ENABLED":
		c.tell("* ENABLED", canonicalCaps(string(r.Text())))
	case "FLAGS":
		if flags, ok := canonicalFlags(r.Text(), &c.opts.Limits); ok {
			c.tell("* FLAGS ", flags)
		}
	}
}

// engineContinue passes on a continuation request.
func (c *Conn) engineContinue(eng *engineCommand, text []byte) error {
	if !eng.sasl {
		c.mu.Lock()
		eng.plus--
		c.mu.Unlock()
		c.tell("+ -")
		return nil
	}
	text = bytes.TrimSpace(text)
	if eng.rounds++; eng.rounds > c.opts.Limits.Rounds {
		return violation("more than %d challenges", c.opts.Limits.Rounds)
	}
	if len(text) == 0 && (eng.initial || eng.rounds > 1) {
		text = []byte("=") // the engine takes "" for a request for the initial response
	}
	for _, b := range text {
		if !isBase64(b) {
			return violation("a challenge that is not in base64")
		}
	}
	c.tell("+ ", string(text))
	return nil
}

func isBase64(b byte) bool {
	return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '+' || b == '/' || b == '='
}
