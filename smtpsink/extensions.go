package smtpsink

import (
	"bytes"
	"strconv"
	"strings"
)

// Caps is what a server offers, as it said inside TLS before the login.
type Caps struct {
	// Pipelining: commands need not wait for the answers (RFC 2920).
	Pipelining bool
	// Chunking: BDAT, the message in counted pieces (RFC 3030).
	Chunking bool
	// EightBit: octets above 127 in bodies (RFC 6152).
	EightBit bool
	// Binary: any octets in any lines (RFC 3030).
	Binary bool
	// UTF8: addresses and header fields in UTF-8 (RFC 6531).
	UTF8 bool
	// DSN: reports on delivery as asked for (RFC 3461).
	DSN bool
	// RequireTLS: TLS all the way (RFC 8689).
	RequireTLS bool
	// DeliverBy: RFC 2852. Priority: RFC 6710. FutureRelease: RFC 4865.
	DeliverBy, Priority, FutureRelease bool
	// MaxSize is the most octets of a message (RFC 1870); 0 is not known.
	MaxSize int64
	// MaxRecipients and MaxMessages are the most of a message and of a
	// connection (RFC 9422); 0 is not known.
	MaxRecipients, MaxMessages int
	// Mechanisms are the ways to log in, in upper case.
	Mechanisms []string
	// TLS: the connection is encrypted, and the server's name proved.
	TLS bool
}

// extensions is the answer to EHLO: parameters by keyword, in upper case.
type extensions map[string]string

func (e extensions) has(keyword string) bool {
	_, ok := e[keyword]
	return ok
}

// parseEHLO reads the answer to EHLO (RFC 5321 section 4.1.1.1), whose first
// line greets.
func parseEHLO(text []byte) extensions {
	e := extensions{}
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	for line := range bytes.Lines(rest) {
		keyword, params, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		keyword = strings.ToUpper(keyword)
		// "AUTH=LOGIN" is how some old servers say it.
		if mechanism, ok := strings.CutPrefix(keyword, "AUTH="); ok {
			keyword, params = "AUTH", mechanism+" "+params
		}
		if keyword == "AUTH" {
			params = e[keyword] + " " + strings.ToUpper(params)
		}
		e[keyword] = strings.TrimSpace(params)
	}
	return e
}

// caps makes sense of the extensions. What depends on another and comes without
// it is not there.
func (e extensions) caps(secure bool) Caps {
	c := Caps{
		Pipelining:    e.has("PIPELINING"),
		Chunking:      e.has("CHUNKING"),
		EightBit:      e.has("8BITMIME"),
		UTF8:          e.has("SMTPUTF8") && e.has("8BITMIME"),
		DSN:           e.has("DSN"),
		RequireTLS:    e.has("REQUIRETLS") && secure,
		DeliverBy:     e.has("DELIVERBY"),
		Priority:      e.has("MT-PRIORITY"),
		FutureRelease: e.has("FUTURERELEASE"),
		TLS:           secure,
	}
	if e.has("AUTH") {
		c.Mechanisms = strings.Fields(e["AUTH"])
	}
	c.Binary = c.Chunking && e.has("BINARYMIME")
	if n, err := strconv.ParseInt(e["SIZE"], 10, 64); err == nil && n > 0 {
		c.MaxSize = n
	}
	for limit := range strings.FieldsSeq(e["LIMITS"]) {
		name, value, _ := strings.Cut(strings.ToUpper(limit), "=")
		n, err := strconv.Atoi(value)
		if err != nil || n <= 0 {
			continue
		}
		switch name {
		case "RCPTMAX":
			c.MaxRecipients = n
		case "MAILMAX":
			c.MaxMessages = n
		}
	}
	return c
}
