package compose

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unflow reads format=flowed as RFC 3676 section 4.2 says, with LF line ends; each
// line begins with its marks and a space.
func unflow(text string) string {
	var out []string
	soft, softDepth := false, 0
	for line := range strings.SplitSeq(text, crlf) {
		depth := len(line) - len(strings.TrimLeft(line, ">"))
		line = strings.TrimPrefix(line[depth:], " ")
		goesOn := strings.HasSuffix(line, " ") && line != "-- "
		if soft && depth == softDepth && line != "-- " {
			out[len(out)-1] += line
		} else {
			if depth > 0 {
				line = strings.Repeat(">", depth) + " " + line
			}
			out = append(out, line)
		}
		soft, softDepth = goesOn, depth
	}
	return strings.Join(out, "\n")
}

func TestFlowed(t *testing.T) {
	long := strings.Repeat("some words that are wrapped ", 20)
	for _, text := range []string{
		"short\n", "", "\n\n", strings.TrimSpace(long) + "\n\nnext\n", " indented\n  more\n", "From me\n", "-- \nAnn\n", "> " + strings.TrimSpace(long) + "\nanswer\n",
		">> deep\n> less\n", strings.Repeat("x", 200) + " y\n", strings.Repeat("ü", 200) + "\n", "a  b   " + long + "end", strings.Repeat(">", 40) + " " + strings.TrimSpace(long),
		"> \n>\n", "> > spaced\n", " > no quotation\n",
		// A dash where a line is wrapped is no mark of a signature.
		strings.Repeat("x", 70) + " -- " + strings.Repeat("y", 80) + " end\n", "> " + strings.Repeat("x", 69) + " -- " + strings.Repeat("y", 80) + " end\n", "-- " + long + "end\n",
	} {
		flowed := flow(canonical(text))
		assert.Equal(t, strings.Count(crlf+text, "\n-- \n"), strings.Count(crlf+strings.ReplaceAll(flowed, "> ", ""), "\n-- "+crlf), "%q", flowed)
		for line := range strings.SplitSeq(flowed, crlf) {
			if strings.Contains(line, "some words") && quoteDepth(line) <= maxDepth {
				assert.LessOrEqual(t, utf8.RuneCountInString(line), 76, line)
			}
		}
		var want []string
		for line := range strings.SplitSeq(text, "\n") {
			if line != "-- " {
				line = strings.TrimRight(line, " ")
			}
			if d := quoteDepth(line); d > 0 {
				line = strings.Repeat(">", d) + " " + strings.TrimPrefix(trimQuotes(line), " ")
			}
			want = append(want, line)
		}
		assert.Equal(t, strings.Join(want, "\n"), unflow(flowed), "%q", flowed)
	}
	m := simple()
	m.Flowed, m.Text = true, strings.TrimSpace(long)+"\nFrom x\n"
	raw := sent(t, prepare(t, m))
	assert.Contains(t, raw, "Content-Type: text/plain; charset=us-ascii; format=flowed\r\n")
	assert.Contains(t, raw, "\r\n From x\r\n")
	require.Contains(t, raw, " \r\n")
}

// TestFlowedDepth checks that marks are not repeated without a limit: the text here
// would grow to some hundred times its size.
func TestFlowedDepth(t *testing.T) {
	text := strings.Repeat(">", 10_000) + strings.Repeat(" word", 10_000)
	assert.LessOrEqual(t, len(flow(text)), len(text))
	shallow := strings.Repeat(">", maxDepth) + strings.Repeat(" word", 10_000)
	assert.Less(t, len(flow(shallow)), 4*len(shallow))
}
