package compose

import "golang.org/x/net/html/atom"

// kind is what readers of HTML make of an element's tags.
type kind int

const (
	unknown   kind = iota // its tags are left out
	void                  // it holds nothing
	format                // it goes on in the next block until it is ended
	inline                // it ends within its block
	block                 // it ends a paragraph
	tablePart             // it has its place in a table
)

// kindOf gives the kind of an element. Those that are known are those that mail is
// made of.
func kindOf(a atom.Atom) kind {
	switch a {
	case atom.Br, atom.Hr, atom.Img, atom.Wbr, atom.Area:
		return void
	case atom.A, atom.B, atom.Big, atom.Code, atom.Em, atom.Font, atom.I, atom.S, atom.Small, atom.Strike, atom.Strong,
		atom.Tt, atom.U:
		return format
	case atom.Abbr, atom.Acronym, atom.Bdi, atom.Bdo, atom.Cite, atom.Del, atom.Dfn, atom.Ins, atom.Kbd, atom.Map,
		atom.Mark, atom.Q, atom.Samp, atom.Span, atom.Sub, atom.Sup, atom.Time, atom.Var:
		return inline
	case atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Center, atom.Dd, atom.Div, atom.Dl, atom.Dt,
		atom.Figcaption, atom.Figure, atom.Footer, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Header,
		atom.Li, atom.Main, atom.Nav, atom.Ol, atom.P, atom.Pre, atom.Section, atom.Table, atom.Ul:
		return block
	case atom.Caption, atom.Tbody, atom.Td, atom.Tfoot, atom.Th, atom.Thead, atom.Tr:
		return tablePart
	}
	return unknown
}

func isHeading(a atom.Atom) bool {
	switch a {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return true
	}
	return false
}
