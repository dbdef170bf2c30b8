package smtpsink

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
)

const (
	// maxReplyLines and maxReplyOctets bound one reply: a server that goes on
	// with "250-" for ever would fill the memory (CVE-2025-61724 in Go's
	// net/textproto).
	maxReplyLines  = 128
	maxReplyOctets = 64 << 10
)

// answer is a reply as it was read. The text is good until the next one is.
type answer struct {
	code int
	// text is what stands behind the code, lines divided by LF.
	text []byte
}

// replyReader reads replies (RFC 5321 section 4.2).
type replyReader struct {
	br   *bufio.Reader
	text []byte // of a reply of several lines
	// show makes a server's text fit for an error; nil is
	// mailconn.ServerText.
	show func(text string) string
}

func newReplyReader(r io.Reader) *replyReader {
	return &replyReader{br: bufio.NewReaderSize(r, 4<<10)}
}

// read gives the next reply. An error is mailbox.ErrProtocol, or how reading
// failed; io.EOF comes between replies alone.
func (r *replyReader) read() (answer, error) {
	a, more, err := r.line(maxReplyOctets)
	if err != nil || !more {
		return a, err
	}
	r.text = append(r.text[:0], a.text...)
	for lines := 1; more; lines++ {
		if lines == maxReplyLines {
			return answer{}, fmt.Errorf("%w: a reply of more than %d lines", mailbox.ErrProtocol, maxReplyLines)
		}
		var next answer
		next, more, err = r.line(maxReplyOctets - len(r.text))
		switch {
		case errors.Is(err, io.EOF):
			return answer{}, io.ErrUnexpectedEOF
		case err != nil:
			return answer{}, err
		case next.code != a.code:
			return answer{}, fmt.Errorf("%w: a reply that begins with %d and goes on with %d", mailbox.ErrProtocol, a.code, next.code)
		}
		r.text = append(append(r.text, '\n'), next.text...)
	}
	a.text = r.text
	return a, nil
}

// line reads one line of a reply, of limit octets at most; more says that others
// follow.
func (r *replyReader) line(limit int) (a answer, more bool, err error) {
	line, err := r.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line = bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && len(line) <= limit {
			var rest []byte
			rest, err = r.br.ReadSlice('\n')
			line = append(line, rest...)
		}
	}
	if len(line) > limit {
		return answer{}, false, fmt.Errorf("%w: a reply of more than %d octets", mailbox.ErrProtocol, maxReplyOctets)
	}
	if err != nil {
		if len(line) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return answer{}, false, err
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	a, more, ok := parseLine(line)
	if ok {
		return a, more, nil
	}
	show := r.show
	if show == nil {
		show = mailconn.ServerText
	}
	text := []rune(show(string(line)))
	return answer{}, false, fmt.Errorf("%w: %q is no reply", mailbox.ErrProtocol, string(text[:min(len(text), 60)]))
}

// parseLine takes a line of a reply apart: "250-text", "250 text" or "250". The
// codes that SMTP has begin with 2 to 5.
func parseLine(line []byte) (a answer, more, ok bool) {
	if len(line) >= 3 && line[0] >= '2' && line[0] <= '5' && digit(line[1]) && digit(line[2]) {
		a.code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
		switch {
		case len(line) == 3:
			return a, false, true
		case line[3] == ' ' || line[3] == '-':
			a.text = line[4:]
			return a, line[3] == '-', true
		}
	}
	return answer{}, false, false
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// reply makes an answer to keep.
func (s *session) reply(command string, a answer) *Reply {
	r := &Reply{Command: command, Code: a.code}
	text := string(a.text)
	if code := enhanced(text); code != "" && code[0]-'0' == byte(a.code/100) {
		r.Enhanced = code
		// Each line of the text begins with it (RFC 2034 section 4).
		text = strings.TrimPrefix(strings.ReplaceAll(text, "\n"+code, "\n")[len(code):], " ")
	}
	r.Text = s.show(text)
	return r
}

// enhanced is the enhanced status code at the beginning of a text (RFC 2034
// section 4), or nothing.
func enhanced(text string) string {
	dots, digits := 0, 0
	for i := 0; i <= len(text); i++ {
		switch {
		case i < len(text) && digit(text[i]) && digits < 3:
			digits++
		case i < len(text) && text[i] == '.' && digits > 0 && dots < 2 && (dots > 0 || digits == 1):
			dots, digits = dots+1, 0
		case dots == 2 && digits > 0 && (i == len(text) || text[i] == ' ' || text[i] == '\n'):
			return text[:i]
		default:
			return ""
		}
	}
	return ""
}

// queueIDs are the ways in which servers name the message that they have taken,
// each with a word that must be there.
var queueIDs = []struct {
	word string
	re   *regexp.Regexp
}{
	{"queued as", regexp.MustCompile(`(?i)\bqueued as:? <?([^\s<>]+)`)},                 // Postfix and its relatives
	{"id=", regexp.MustCompile(`(?i)\bid=<?([^\s<>]+)`)},                                // Exim
	{"message accepted", regexp.MustCompile(`(?i)^:? *([\w.+-]{6,}) Message accepted`)}, // sendmail, OpenSMTPD
	{"gsmtp", regexp.MustCompile(`(?i)^OK +\d+ ([\w.+-]+) - gsmtp$`)},                   // Gmail
	{" saved", regexp.MustCompile(`(?i)> ([\w+/.-]+:?\w*) Saved$`)},                     // Dovecot's LMTP
	{"-", regexp.MustCompile(`(?i)^Ok ([0-9a-f-]{20,})$`)},                              // Amazon SES
}

// queueID finds the server's name of a message in its answer.
func queueID(text string) string {
	lower := strings.ToLower(text)
	for _, id := range queueIDs {
		if !strings.Contains(lower, id.word) {
			continue
		}
		if m := id.re.FindStringSubmatch(text); m != nil {
			return strings.TrimRight(m[1], ".,;)")
		}
	}
	return ""
}
