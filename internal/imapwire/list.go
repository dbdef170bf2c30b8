package imapwire

import (
	"bytes"
	"strings"
)

// Listed is one folder of a LIST, XLIST or LSUB answer.
type Listed struct {
	// Attrs are its attributes as the server spells them, such as "\Noselect".
	Attrs []string
	// Delim separates the levels of names; "" if there is but one level.
	Delim string
	// Raw is the name as the server sent it, for DecodeMailbox.
	Raw string
	// Guessed is set where the name should be quoted and is not, or lacks a
	// quote.
	Guessed bool
}

// List decodes a LIST, XLIST or LSUB response. A name that should be quoted and
// is not, or lacks a quote, is taken as far as the line goes. The error is
// ErrMalformed.
func (r *Response) List() (*Listed, error) {
	p := &r.p
	p.reset(r.seg.octets, min(r.head.rest, len(r.seg.octets)))
	p.spaces()
	attrs, err := p.value()
	if err != nil {
		return nil, err
	}
	p.spaces()
	delim, err := p.value()
	if err != nil || attrs.Kind() == StringKind || delim.Kind() == ListKind {
		return nil, malformed("a folder without attributes or delimiter")
	}
	l := &Listed{Delim: delim.String()}
	for a := range attrs.All() {
		if a.Kind() == AtomKind {
			l.Attrs = append(l.Attrs, a.String())
		}
	}
	p.spaces()
	// Extended data begins with a quoted tag, a name may hold parentheses.
	l.Raw, l.Guessed = p.folderName(func(line []byte) int { return bytes.Index(line, []byte(` ("`)) })
	if l.Raw == "" {
		return nil, malformed("a folder without a name")
	}
	return l, nil
}

// folderName takes the name of a folder, behind which there may be a list, and
// nothing else. split finds the list in a line whose name should be quoted.
func (p *parser) folderName(split func(line []byte) int) (name string, guessed bool) {
	start := p.pos
	if p.pos < len(p.src) && p.src[p.pos] == '(' {
		return "", false
	}
	if v, err := p.value(); err == nil && v.Kind() != ListKind {
		p.spaces()
		if rest := bytes.TrimRight(p.src[p.pos:], "\r\n"); len(rest) == 0 || rest[0] == '(' {
			if v.IsNil() {
				return string(bytes.TrimSpace(p.src[start : start+3])), false
			}
			return v.String(), false
		}
	}
	line, _, _ := bytes.Cut(p.src[start:], []byte("\n"))
	p.pos = start + len(line)
	if i := split(line); i > 0 && bytes.HasSuffix(bytes.TrimRight(line, "\r "), []byte(")")) {
		line, p.pos = line[:i], start+i+1
	}
	return strings.Trim(string(line), "\" \r"), true
}

// FolderStatus is what a STATUS answer tells of one folder.
type FolderStatus struct {
	// Raw is the folder's name as the server sent it.
	Raw string
	// Counts has what was told, by its name in upper case: MESSAGES, UIDNEXT,
	// UIDVALIDITY, UNSEEN. What is no number is left out.
	Counts map[string]uint64
}

// FolderStatus decodes a STATUS response. The error is ErrMalformed.
func (r *Response) FolderStatus() (*FolderStatus, error) {
	p := &r.p
	p.reset(r.seg.octets, min(r.head.rest, len(r.seg.octets)))
	p.spaces()
	s := &FolderStatus{Counts: map[string]uint64{}}
	s.Raw, _ = p.folderName(func(line []byte) int { return bytes.LastIndex(line, []byte(" (")) })
	list, err := p.value()
	if err != nil {
		return nil, err
	}
	if s.Raw == "" || list.Kind() != ListKind {
		return nil, malformed("a STATUS without a folder or list")
	}
	f := fieldsOf(list)
	for f.more() {
		name, value := f.take(), f.take()
		if n, ok := value.Number(); ok {
			s.Counts[strings.ToUpper(name.String())] = n
		}
	}
	return s, nil
}
