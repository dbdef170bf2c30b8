package compose

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

// inBody gives the elements that stand in the body of a page, each with its text.
func inBody(t testing.TB, page string) []string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	var list []string
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "body" {
			continue
		}
		for c := range n.ChildNodes() {
			if c.Type == html.TextNode && strings.TrimSpace(c.Data) == "" {
				continue
			}
			var text strings.Builder
			for d := range c.Descendants() {
				if d.Type == html.TextNode {
					text.WriteString(d.Data)
				}
			}
			list = append(list, c.Data+": "+text.String())
		}
	}
	return list
}

// FuzzMarkup puts what was made of HTML between other elements: whatever it was, a
// reader that does all that the standard says sees it where it was put.
func FuzzMarkup(f *testing.F) {
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 2000 {
			return // html.Parse makes too much of it
		}
		shown := map[string]bool{}
		clean := cleanMarkup(in, shown)
		z := html.NewTokenizer(strings.NewReader(clean))
		for {
			kind := z.Next()
			if kind == html.ErrorToken {
				break
			}
			token := z.Token()
			switch kind {
			case html.TextToken, html.EndTagToken:
			case html.StartTagToken:
				require.True(t, kindOf(token.DataAtom) != unknown, clean)
				for _, a := range token.Attr {
					require.False(t, strings.HasPrefix(a.Key, "on"), clean)
				}
			default:
				t.Fatalf("a token of type %s: %q", kind, clean)
			}
		}
		for _, doctype := range []string{"", "<!DOCTYPE html>"} {
			list := inBody(t, doctype+"<div>above</div><blockquote>"+clean+"</blockquote><p>below</p>")
			require.Len(t, list, 3, "%q\n%q\n%q", in, clean, list)
			require.Equal(t, "div: above", list[0])
			require.Equal(t, "p: below", list[2], clean)
			// What is shown below a text of one's own stays below it.
			list = inBody(t, doctype+"<div>above</div>"+clean)
			require.Len(t, list, 2, "%q\n%q\n%q", in, clean, list)
			require.Equal(t, "div: above", list[0])
		}
	})
}
