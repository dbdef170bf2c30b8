package compose

import (
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
)

// maxPieces is how many parts the HTML of a message may be in: each may cost a round
// trip.
const maxPieces = 50

// content is what is taken over of an original's body.
type content struct {
	// text has lines that end in LF. whole says that it is all.
	text  string
	whole bool
	// html is the same as markup; empty if there is none, or too much.
	html string
	// shown are the content IDs that html shows.
	shown map[string]bool
	// taken are the parts of which nothing is missing in text or html, or which
	// text says as well.
	taken map[*mailbox.Part]bool
}

// content reads at most limit octets of text, and if html is set the HTML version
// with four times as many, or none of it. Without a text it is nil.
func (o *original) content(root *mailbox.Part, limit int, html bool) (*content, error) {
	part := root.Text()
	if part == nil {
		return nil, nil
	}
	c := &content{whole: true, shown: map[string]bool{}, taken: map[*mailbox.Part]bool{}}
	versions := htmlVersions(root, part)
	if part.Type == "text/html" {
		html = true
	} else {
		var err error
		if c.text, c.whole, err = o.text(part, limit); err != nil {
			return nil, err
		}
		c.taken[part] = c.whole
	}
	if !html {
		return c, nil
	}
	left, fits := limit*tagsTake, true
	if len(versions) > maxPieces {
		versions, fits = versions[:1], false
	}
	var markup strings.Builder
	for _, v := range versions {
		s, whole, err := o.read(v, left)
		if err != nil {
			return nil, err
		}
		if part.Type == "text/html" && c.whole {
			text, isCut := asText(v, s, max(limit-len(c.text), 0))
			if c.text != "" && text != "" {
				text = "\n\n" + text
			}
			c.text, c.whole = c.text+text, whole && !isCut
		}
		if left -= len(s); !whole || left < 0 {
			fits = false
			break
		}
		markup.WriteString(cleanMarkup(s, c.shown))
	}
	for _, v := range versions {
		c.taken[v] = fits
	}
	if fits {
		c.html = markup.String()
	} else {
		clear(c.shown)
	}
	return c, nil
}

// htmlVersions gives the parts that say the same as the text that is taken over:
// the HTML of the outermost multipart/alternative that has the text, which may be in
// pieces, and the text itself if it is HTML.
func htmlVersions(root, text *mailbox.Part) []*mailbox.Part {
	for root != text && root.Type != "multipart/alternative" {
		root = root.Parts[slices.IndexFunc(root.Parts, func(p *mailbox.Part) bool { return has(p, text) })]
	}
	var versions []*mailbox.Part
	for part := range leaves(root) {
		if part.Type == "text/html" && (part == text || part.Disposition != "attachment" && part.Filename() == "") {
			versions = append(versions, part)
		}
	}
	return versions
}

// has reports whether a part is the leaf or has it below.
func has(p, leaf *mailbox.Part) bool {
	for q := range leaves(p) {
		if q == leaf {
			return true
		}
	}
	return false
}

// leaves yields the parts that have a body, an attached message as one.
func leaves(p *mailbox.Part) func(yield func(*mailbox.Part) bool) {
	return func(yield func(*mailbox.Part) bool) { walkLeaves(p, yield) }
}

func walkLeaves(p *mailbox.Part, yield func(*mailbox.Part) bool) bool {
	if p == nil {
		return true
	}
	if !p.Multipart() {
		return yield(p)
	}
	for _, child := range p.Parts {
		if !walkLeaves(child, yield) {
			return false
		}
	}
	return true
}

// shows reports whether html shows a part, and does so once for each content ID.
func (c *content) shows(p *mailbox.Part) bool {
	if c == nil || !c.shown[p.ContentID] || checkID("", p.ContentID) != nil {
		return false
	}
	delete(c.shown, p.ContentID)
	return true
}

// textMarkup gives plain text as HTML, line by line.
func textMarkup(s string) string {
	s = strings.TrimRight(s, "\n")
	if s == "" {
		return ""
	}
	s = strings.ReplaceAll(escapeText(s), "  ", "&nbsp; ")
	s = strings.ReplaceAll("\n"+s, "\n ", "\n&nbsp;")[1:]
	return "<div>" + strings.ReplaceAll(s, "\n", "<br>\n") + "</div>\n"
}
