package mailtest

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/emersion/go-smtp"
)

// SMTPFlavour is a kind of SMTP server.
type SMTPFlavour int

const (
	// SMTPExtended is a submission server with extensions: PIPELINING,
	// 8BITMIME, ENHANCEDSTATUSCODES, CHUNKING, BINARYMIME, SMTPUTF8, DSN, SIZE,
	// DELIVERBY, MT-PRIORITY, LIMITS, and inside TLS REQUIRETLS. AUTH is PLAIN,
	// LOGIN, XOAUTH2 and OAUTHBEARER; a token is the user's password.
	SMTPExtended SMTPFlavour = iota
	// SMTPPipelining is what most servers are: PIPELINING, 8BITMIME,
	// ENHANCEDSTATUSCODES, SMTPUTF8, DSN and SIZE, but no CHUNKING.
	SMTPPipelining
	// SMTPBare has SIZE, STARTTLS and AUTH (PLAIN and LOGIN) and nothing else,
	// not even enhanced status codes. What a client sends ahead of a reply is
	// an error and ends the connection.
	SMTPBare
)

// smtpKeywords are those of RFC 5321 and later that a flavour keeps. Whatever
// else go-smtp says it can do is not told, and refused.
var smtpKeywords = map[SMTPFlavour][]string{
	SMTPExtended: {"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME", "SMTPUTF8", "DSN", "SIZE",
		"DELIVERBY", "MT-PRIORITY", "LIMITS", "REQUIRETLS", "STARTTLS", "AUTH"},
	SMTPPipelining: {"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN", "SIZE", "STARTTLS", "AUTH"},
	SMTPBare:       {"SIZE", "STARTTLS", "AUTH"},
}

// maxSMTPLine is the longest command line, its end included. RFC 5321 section
// 4.5.3.1.4 has 512 octets, and each extension adds some.
const maxSMTPLine = 2000

// smtpFront stands between the client and go-smtp, as imapFront does for IMAP:
// it hands over one line at a time, so that it knows which reply belongs to
// what. It does itself what go-smtp cannot: TLS below a wrapper, faults,
// extensions that are not there, and parameters of MAIL that go-smtp knows of
// RCPT alone. It also reads messages: after DATA go-smtp reads on over the end
// if the line before it ends in CR CR LF, and what RSET has done away with in
// the middle of chunks may fail the message after it.
type smtpFront struct {
	*front
	lmtp    bool
	over    sync.Once
	session *smtpSession // nil before EHLO

	// For go-smtp's goroutine.
	pending  []byte      // handed over next
	mu       sync.Mutex  // go-smtp may read on in LMTP while it answers
	command  string      // the one under way, "" at the greeting
	prompted bool        // the next line answers a SASL challenge
	swallow  atomic.Bool // the next reply is to a command that the client did not send
	greeted  bool        // by EHLO, since TLS
	loggedIn bool        // by AUTH
	keywords []string    // of EHLO's answer as far as it has come
	extra    mailExtra
}

// mailExtra are the parameters of MAIL that go-smtp does not see.
type mailExtra struct {
	by, priority string
	binary       bool
}

func (f *smtpFront) flavour() SMTPFlavour { return f.host.opts.SMTP }

func (f *smtpFront) has(keyword string) bool {
	return slices.Contains(smtpKeywords[f.flavour()], keyword)
}

func (f *smtpFront) mayLogin() bool { return !f.lmtp && (f.host.opts.Plaintext || f.encrypted()) }

// Read hands over a line.
func (f *smtpFront) Read(p []byte) (int, error) {
	for len(f.pending) == 0 {
		if f.flavour() == SMTPBare && f.present() != "" && f.br.Buffered() > 0 {
			_ = f.say("554 5.5.0 this server knows no pipelining\r\n")
			_ = f.front.Close()
			return 0, net.ErrClosed
		}
		line, err := f.readLine()
		if err != nil {
			return 0, err
		}
		if f.prompted {
			f.prompted, f.pending = false, line
			continue
		}
		if f.pending, err = f.take(line); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.pending)
	f.pending = f.pending[n:]
	return n, nil
}

// take looks at a command line. It gives what go-smtp shall see; nothing if the
// command is done already.
func (f *smtpFront) take(line []byte) ([]byte, error) {
	verb, args, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	verb = strings.ToUpper(verb)
	f.setCommand(verb)
	name := verb
	if verb == "DATA" {
		name = "354" // DATA itself is the message and its answer
	}
	v := f.begin(name, func(string) {})
	switch {
	case v.ended:
		return nil, f.bye(v.bye)
	case v.reply != "" && verb == "BDAT" && f.has("CHUNKING"):
		return f.refuseChunk(args, v.reply)
	case v.reply != "":
		f.writeString(v.reply + "\r\n")
		return nil, nil
	case len(line) > maxSMTPLine:
		_ = f.say("500 5.5.2 line too long\r\n")
		return nil, nil
	}
	return f.own(line, verb, args)
}

// own does what go-smtp should not see, and gives the line else.
func (f *smtpFront) own(line []byte, verb, args string) ([]byte, error) {
	refusal := ""
	switch {
	case verb == "STARTTLS":
		return nil, f.startTLS()
	case verb == "BDAT" && f.has("CHUNKING"):
		return f.bdat(args)
	case verb == "BDAT":
		refusal = "502 5.5.1 BDAT is not implemented"
	case (verb == "MAIL" || verb == "AUTH") && !f.greeted:
		refusal = "503 5.5.1 EHLO first"
	case (verb == "MAIL" || verb == "RCPT" || verb == "DATA") && f.inChunks():
		refusal = "503 5.5.1 " + verb + " after BDAT"
	case verb == "MAIL":
		line, refusal = f.mail(line, args)
	case verb == "EHLO", verb == "LHLO", verb == "HELO":
		f.greeted = true
	}
	if refusal != "" {
		return nil, f.say(refusal + "\r\n")
	}
	return line, nil
}

// startTLS is STARTTLS (RFC 3207). What the client has sent behind it counts as
// part of the handshake, which fails.
func (f *smtpFront) startTLS() error {
	switch {
	case f.lmtp:
		_ = f.say("502 5.5.1 TLS is not supported\r\n")
		return nil
	case f.encrypted():
		_ = f.say("503 5.5.1 TLS is on\r\n")
		return nil
	case f.loggedIn:
		_ = f.say("503 5.5.1 not after AUTH\r\n")
		return nil
	}
	_ = f.say("220 2.0.0 begin TLS now\r\n")
	f.greeted = false
	return f.secure()
}

func (f *smtpFront) present() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.command
}

func (f *smtpFront) setCommand(verb string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.command = verb
}

// mail takes parameters out of MAIL: DELIVERBY's and MT-PRIORITY's (RFC 2852
// section 4, RFC 6710 section 4.1), which go-smtp does not know there, and
// BODY=BINARYMIME (RFC 3030), which would keep it from DATA.
func (f *smtpFront) mail(line []byte, args string) (rest []byte, refusal string) {
	f.extra = mailExtra{}
	if !f.has("DELIVERBY") {
		return line, ""
	}
	words := strings.Fields(args)
	kept := words[:0:0]
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch key = strings.ToUpper(key); {
		case key == "BY" && byValue.MatchString(value):
			f.extra.by = value
		case key == "MT-PRIORITY" && priorityValue.MatchString(value):
			f.extra.priority = value
		case key == "BY", key == "MT-PRIORITY":
			return nil, "501 5.5.4 malformed " + key
		case strings.EqualFold(w, "BODY=BINARYMIME"):
			f.extra.binary = true
		default:
			kept = append(kept, w)
		}
	}
	if len(kept) == len(words) {
		return line, ""
	}
	return []byte("MAIL " + strings.Join(kept, " ") + "\r\n"), ""
}

var (
	byValue       = regexp.MustCompile(`^-?[0-9]{1,9};[NnRr][Tt]?$`)
	priorityValue = regexp.MustCompile(`^-?[0-9]$`)
)

// bye says 421 and hangs up.
func (f *smtpFront) bye(text string) error {
	_ = f.say("421 4.3.2 " + text + "\r\n")
	_ = f.front.Close()
	return net.ErrClosed
}

// Write corrects what go-smtp says, line by line.
func (f *smtpFront) Write(p []byte) (int, error) {
	if f.swallow.Swap(false) {
		return len(p), nil
	}
	line := string(p)
	switch f.present() {
	case "EHLO", "LHLO":
		f.keywords = append(f.keywords, strings.TrimSpace(line[min(4, len(line)):]))
		if strings.HasPrefix(line, "250-") {
			return len(p), nil
		}
		if strings.HasPrefix(line, "250 ") {
			line = f.hello(f.keywords[1:])
		}
		f.keywords = nil
	case "MAIL", "RCPT", "DATA":
		if rest, ok := cutAny(line, "500 5.5.4 ", "504 5.5.4 "); ok {
			line = "555 5.5.4 " + rest // RFC 5321 section 4.1.1.11
		} else if rest, ok := cutAny(line, "502 5.5.1 "); ok {
			line = "503 5.5.1 " + rest // a bad sequence, not an unknown command
		}
	case "AUTH":
		f.prompted = strings.HasPrefix(line, "334 ")
		f.loggedIn = f.loggedIn || strings.HasPrefix(line, "235 ")
	}
	if err := f.say(line); err != nil {
		return 0, err
	}
	return len(p), nil
}

func cutAny(s string, prefixes ...string) (string, bool) {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(s, p); ok {
			return rest, true
		}
	}
	return s, false
}

// hello is the answer to EHLO: what go-smtp knows and what we know, as far as
// the flavour has it.
func (f *smtpFront) hello(known []string) string {
	if !f.lmtp && !f.encrypted() {
		known = append(known, "STARTTLS")
	}
	if f.encrypted() {
		known = append(known, "REQUIRETLS")
	}
	known = append(known, "DELIVERBY", "MT-PRIORITY")
	lines := []string{"localhost"}
	for _, line := range known {
		keyword, _, _ := strings.Cut(line, " ")
		if f.has(keyword) {
			lines = append(lines, line)
		}
	}
	last := len(lines) - 1
	var b strings.Builder
	for i, line := range lines {
		sep := "-"
		if i == last {
			sep = " "
		}
		fmt.Fprintf(&b, "250%s%s\r\n", sep, line)
	}
	return b.String()
}

// enhanced finds the code of RFC 2034 in a reply's first line.
var enhanced = regexp.MustCompile(`^([2-5][0-9]{2}[ -])[245]\.[0-9]{1,3}\.[0-9]{1,3} `)

// say sends a reply, without its enhanced code if there should be none.
func (f *smtpFront) say(line string) error {
	select {
	case <-f.ended:
		return net.ErrClosed
	default:
	}
	if !f.has("ENHANCEDSTATUSCODES") {
		line = enhanced.ReplaceAllString(line, "$1")
	}
	_, err := f.front.Write([]byte(line))
	return err
}

// Close ends the connection and the session. go-smtp calls it at last, perhaps
// not for the first time.
func (f *smtpFront) Close() error {
	err := f.front.Close()
	f.over.Do(func() { f.host.untrack(f.front) })
	return err
}

// serveSMTP gives the connections of ln to go-smtp.
func (h *Host) serveSMTP(ln net.Listener, srv *smtp.Server, implicit bool) {
	proto := "smtp"
	if srv.LMTP {
		proto = "lmtp"
	}
	q := &queueListener{Listener: ln, conns: make(chan net.Conn), done: h.done}
	h.wg.Go(func() { _ = srv.Serve(q) })
	h.accept(ln, proto, implicit, func(f *front) {
		select {
		case q.conns <- &smtpFront{front: f, lmtp: srv.LMTP}:
		case <-h.done:
			f.end()
			h.untrack(f)
		}
	})
}
