package mailmime

import (
	"net/mail"
	"strings"
)

// ParseAddressList reads the addresses of a header value (RFC 5322 section 3.4),
// groups flattened. It is lenient: names with bare commas and dots, missing
// brackets and commas, and obsolete routes are read. An address that cannot be
// parsed has an empty Address and its text as Name. A quoted local part is given
// without its quotes, as net/mail does. ok is false if anything was not right or
// beyond the limit. cs and lim may be nil.
func ParseAddressList(raw string, cs CharsetReader, lim *Limits) (list []mail.Address, ok bool) {
	l := lim.resolve()
	var few [8]addrToken // enough for most
	p := addrParser{lex: newAddrLexer(raw), cs: cs, max: l.Addresses, ok: true, words: few[:0]}
	if n := strings.Count(raw, "@"); n > 0 {
		p.list = make([]mail.Address, 0, min(n, 100, p.max))
	}
	p.parse()
	if len(p.list) == 0 {
		return nil, p.ok
	}
	return p.list, p.ok
}

// maxWords is how many tokens an address and its name may have. One with more is
// left unparsed: a token takes much more memory than the comma that makes it.
const maxWords = 1000

// addrParser collects the tokens of one entry, until a comma or semicolon ends
// it.
type addrParser struct {
	lex  addrLexer
	cs   CharsetReader
	max  int
	list []mail.Address
	ok   bool
	full bool // there are more addresses than max

	group   bool
	start   int         // where the entry begins in the value
	held    [2]int      // entries before this one that may be the start of its name
	words   []addrToken // those outside angle brackets
	long    bool        // there are more than maxWords
	comment string      // the last comment's text
	angle   bool        // there was an address in angle brackets,
	spec    string      // this one; empty if it cannot be parsed
	behind  int         // and this many of words stand before it
}

func (p *addrParser) parse() {
	for !p.full {
		t := p.lex.next()
		switch t.kind {
		case tokEnd:
			p.ok = p.ok && !p.group
			p.endEntry(',')
			p.flushHeld()
			p.ok = p.ok && p.lex.clean()
			return
		case tokComment:
			p.comment = t.text
		case tokAngle:
			p.angleAddr(t)
		case tokSpecial:
			p.special(t)
		default:
			p.word(t)
		}
	}
}

func (p *addrParser) word(t addrToken) {
	if len(p.words) == maxWords {
		p.long = true
		return
	}
	p.words = append(p.words, t)
}

// special handles the characters that structure a list.
func (p *addrParser) special(t addrToken) {
	switch c := t.text[0]; {
	case c == ',', c == ';':
		p.ok = p.ok && (c == ',' || p.group)
		p.endEntry(c)
		if c == ';' {
			p.group = false
		}
		p.start = p.lex.pos
	case c == ':' && !p.angle && len(p.words) > 0:
		p.flushHeld() // what stands before is a group's name
		p.ok = p.ok && !p.group
		p.group = true
		p.reset()
		p.start = p.lex.pos
	case c == ':' || c == '>':
		p.ok = false
	default: // '@' and '.'
		p.word(t)
	}
}

// angleAddr takes an address in angle brackets. A second one in the same entry
// begins another: a comma is missing.
func (p *addrParser) angleAddr(t addrToken) {
	if p.angle {
		p.ok = false
		name := p.words[p.behind:]
		p.words = p.words[:p.behind:p.behind]
		p.endEntry(',')
		p.words, p.start = append(p.words, name...), p.lex.at
	}
	p.angle, p.spec, p.behind = true, t.text, len(p.words)
	p.ok = p.ok && !t.broken
}

// endEntry writes the entry that was collected.
func (p *addrParser) endEntry(by byte) {
	switch {
	case p.long:
		p.ok = false
		p.flushHeld()
		p.add(p.text(), "")
	case p.angle:
		p.endAngle()
	case len(p.words) > 0:
		p.endBare(by)
	}
	p.reset()
}

func (p *addrParser) reset() {
	p.words, p.long, p.comment, p.angle, p.spec, p.behind = p.words[:0], false, "", false, "", 0
}

// text gives the entry as it stands.
func (p *addrParser) text() string { return strings.TrimSpace(p.lex.s[p.start:p.lex.at]) }

// endAngle ends an entry with angle brackets. What stands behind them is passed
// over, unless it could be taken for another address.
func (p *addrParser) endAngle() {
	if len(p.words) > p.behind {
		p.ok = false
		for _, t := range p.words[p.behind:] {
			if t.is('@') {
				p.spec = ""
			}
		}
	}
	name := joinPhrase(p.words[:p.behind])
	if held := p.takeHeld(); held != "" {
		p.ok = false
		name = held + ", " + name
	}
	if name == "" {
		name = p.comment
	}
	if p.spec == "" {
		p.ok = false
		name = p.text()
		if name == "<>" {
			name = ""
		}
	}
	p.add(name, p.spec)
}

// endBare ends an entry without angle brackets.
func (p *addrParser) endBare(by byte) {
	if spec := p.lex.joinSpec(p.words); spec != "" {
		p.flushHeld()
		p.add(p.comment, spec)
		return
	}
	p.ok = false
	name, spec := p.lex.findSpec(p.words)
	switch {
	case spec != "":
		if held := p.takeHeld(); held != "" {
			name = strings.TrimSuffix(held+", "+name, ", ")
		}
		p.add(name, spec)
	case hasAt(p.words):
		p.flushHeld()
		p.add(p.text(), "")
	case by == ',': // "Doe, John <j@example.org>"
		if p.held[1] == 0 {
			p.held[0] = p.start
		}
		p.held[1] = p.lex.at
	default:
		p.flushHeld()
		p.add(joinPhrase(p.words), "")
	}
}

// takeHeld gives the text that was held back and forgets it.
func (p *addrParser) takeHeld() string {
	text := strings.TrimSpace(p.lex.s[p.held[0]:p.held[1]])
	p.held = [2]int{}
	return text
}

// flushHeld writes what was held back as an address that is none.
func (p *addrParser) flushHeld() {
	if held := p.takeHeld(); held != "" {
		p.add(held, "")
	}
}

func (p *addrParser) add(name, spec string) {
	if len(p.list) == p.max {
		p.full, p.ok = true, false
		return
	}
	p.list = append(p.list, mail.Address{Name: DecodeHeader(name, p.cs), Address: spec})
}
