package memstore

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom-go/postroom/internal/mailmime"
)

// Message is one message in one folder.
type Message struct {
	// UID is unique in the folder's epoch.
	UID uint32
	// Received is the internal date, in whole seconds.
	Received time.Time
	*Content

	flags atomic.Pointer[[]string]
}

func newMessage(uid uint32, content *Content, flags []string, received time.Time) *Message {
	m := &Message{UID: uid, Received: received, Content: content}
	m.flags.Store(&flags)
	return m
}

// Flags are the flags as they are now, sorted, in normal form. The slice must
// not be written into; two equal slices of one message are the same slice.
func (m *Message) Flags() []string { return *m.flags.Load() }

// Has reports whether the message has the flag, in any case.
func (m *Message) Has(flag string) bool {
	return slices.ContainsFunc(m.Flags(), func(f string) bool { return strings.EqualFold(f, flag) })
}

// systemFlags as they are spelt (RFC 9051 section 2.3.2).
var systemFlags = []string{`\Answered`, `\Deleted`, `\Draft`, `\Flagged`, `\Seen`}

// NormalFlags gives flags sorted, each once, system flags as the RFC spells
// them. \Recent, which clients cannot set, is dropped.
func NormalFlags(flags []string) []string {
	all := make([]string, 0, len(flags))
	for _, f := range flags {
		if i := slices.IndexFunc(systemFlags, func(s string) bool { return strings.EqualFold(s, f) }); i >= 0 {
			f = systemFlags[i]
		}
		if f != "" && !strings.EqualFold(f, `\Recent`) {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return slices.CompactFunc(all, strings.EqualFold)
}

// Content is what a message consists of. Copies and epochs share it.
type Content struct {
	raw []byte

	parse     sync.Once
	structure *mailmime.Part

	mu   sync.Mutex
	last openedPart
}

// openedPart is a part's body.
type openedPart struct {
	id      string
	decoded bool
	body    []byte
	err     error
}

// NewContent wraps a message, which must not be changed any more.
func NewContent(raw []byte) *Content { return &Content{raw: raw} }

// Raw is the message, octet by octet. It must not be changed.
func (c *Content) Raw() []byte { return c.raw }

// Size is its number of octets.
func (c *Content) Size() int64 { return int64(len(c.raw)) }

// Header is the header section with the empty line after it.
func (c *Content) Header() []byte { return c.raw[:HeaderLen(c.raw)] }

// HeaderLen is the length of a message's header section with the empty line
// after it, which may have more CRs than one, as package mailmime has it.
// Without an empty line it is the whole message.
func HeaderLen(raw []byte) int {
	for at := 0; at < len(raw); {
		n := bytes.IndexByte(raw[at:], '\n')
		if n < 0 {
			break
		}
		line := raw[at : at+n]
		at += n + 1
		if len(bytes.TrimRight(line, "\r")) == 0 {
			return at
		}
	}
	return len(raw)
}

// Structure is the tree of the message's parts, read when first asked for.
func (c *Content) Structure(cs mailmime.CharsetReader) *mailmime.Part {
	c.parse.Do(func() {
		// A reader over memory has no errors, and defects are of no use here.
		c.structure, _, _ = mailmime.ReadStructure(bytes.NewReader(c.raw), cs, nil)
	})
	return c.structure
}

// Part is the body of one part, still encoded or decoded;
// mailmime.ErrNoPart if there is none. The last part is remembered: clients
// read large ones piece by piece.
func (c *Content) Part(id string, decoded bool) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := &c.last; p.id == id && p.decoded == decoded && (p.body != nil || p.err != nil) {
		return p.body, p.err
	}
	r, encoding, err := mailmime.OpenPart(bytes.NewReader(c.raw), id, nil)
	var body []byte
	if err == nil {
		if decoded {
			r = mailmime.NewTransferDecoder(encoding, r)
		}
		body, err = io.ReadAll(r)
	}
	c.last = openedPart{id: id, decoded: decoded, body: body, err: err}
	return body, err
}
