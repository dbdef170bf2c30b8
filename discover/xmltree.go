package discover

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errDocument is what all faults of a document are.
var errDocument = errors.New("it is not a document of the kind that was asked for")

// element is one element of a small XML document. Namespaces do not count: peers
// write them or not.
type element struct {
	name string
	attr map[string]string
	text string // without the space around it
	kids []*element

	said []byte // the text until the end of the element
}

// first is the first child of that name; nil if there is none. Where an element
// that can stand once stands twice, the first counts, as with others' parsers.
func (e *element) first(name string) *element {
	for _, k := range e.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// value is the text of the first child of that name.
func (e *element) value(name string) string {
	if k := e.first(name); k != nil {
		return k.text
	}
	return ""
}

// values are the texts of all children of that name.
func (e *element) values(name string) (all []string) {
	for _, k := range e.kids {
		if k.name == name {
			all = append(all, k.text)
		}
	}
	return all
}

// parseXML reads a document into elements. There is no DOCTYPE, whatever it
// says, so that entities cannot be defined; elements nest to a limit. The size
// was bounded when the document was fetched.
func parseXML(doc []byte, depth int) (*element, error) {
	doc = bytes.TrimLeft(doc, "\ufeff \t\r\n")
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.Strict = true
	d.CharsetReader = charsetReader
	d.Entity = xml.HTMLEntity
	top := &element{}
	open := []*element{top}
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDocument, err)
		}
		last := open[len(open)-1]
		switch tok := tok.(type) {
		case xml.Directive:
			return nil, fmt.Errorf("%w: it has a DOCTYPE", errDocument)
		case xml.StartElement:
			if len(open) > depth {
				return nil, fmt.Errorf("%w: its elements nest more than %d deep", errDocument, depth)
			}
			if last == top && len(top.kids) > 0 {
				return nil, fmt.Errorf("%w: it has two roots", errDocument)
			}
			e := newElement(tok)
			last.kids = append(last.kids, e)
			open = append(open, e)
		case xml.EndElement:
			if last == top || last.name != tok.Name.Local {
				return nil, fmt.Errorf("%w: </%.40s> ends nothing", errDocument, tok.Name.Local)
			}
			last.text, last.said = strings.TrimSpace(string(last.said)), nil
			open = open[:len(open)-1]
		case xml.CharData:
			if len(last.kids) == 0 { // only leaves have text that counts
				last.said = append(last.said, tok...)
			}
		}
	}
	if len(open) != 1 || len(top.kids) != 1 {
		return nil, fmt.Errorf("%w: it is empty or cut", errDocument)
	}
	return top.kids[0], nil
}

func newElement(tok xml.StartElement) *element {
	e := &element{name: tok.Name.Local}
	for _, a := range tok.Attr {
		if e.attr == nil {
			e.attr = map[string]string{}
		}
		if _, twice := e.attr[a.Name.Local]; !twice {
			e.attr[a.Name.Local] = a.Value
		}
	}
	return e
}

// charsetReader reads the charsets in which such documents are found besides
// UTF-8.
func charsetReader(label string, r io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "utf8", "us-ascii", "ascii":
		return r, nil
	case "iso-8859-1", "latin1", "windows-1252":
		return latin1(r)
	}
	return nil, fmt.Errorf("charset %.40q is not read", label)
}

// latin1 converts ISO 8859-1, whose octets are the first code points of Unicode.
func latin1(r io.Reader) (io.Reader, error) {
	p, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, c := range p {
		b.WriteRune(rune(c))
	}
	return strings.NewReader(b.String()), nil
}
