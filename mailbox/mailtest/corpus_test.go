package mailtest

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/mailmime"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/charset"
)

// TestCorpus proves the facts of each sample.
func TestCorpus(t *testing.T) {
	all := Corpus()
	assert.GreaterOrEqual(t, len(all), 15)
	names := map[string]bool{}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			assert.False(t, names[s.Name], "a name of its own")
			names[s.Name] = true
			assert.NotContains(t, strings.ReplaceAll(string(s.Raw), "\r\n", ""), "\n", "lines end in CRLF")
			header, _, _ := bytes.Cut(s.Raw, []byte("\r\n\r\n"))
			e, defects := mailbox.ParseEnvelope(header, charset.NewReader)
			p, more, err := mailbox.ReadStructure(bytes.NewReader(s.Raw), charset.NewReader)
			require.NoError(t, err)
			if !s.Broken {
				assert.Empty(t, append(defects, more...))
			}
			assert.Equal(t, s.Subject, e.Subject)
			from := ""
			if len(e.From) > 0 {
				from = e.From[0].Address
			}
			assert.Equal(t, s.From, from)
			var files []string
			for _, a := range p.Attachments() {
				files = append(files, a.Filename())
			}
			assert.Equal(t, s.Attachments, files)
			assert.Equal(t, s.Text, textOf(t, s.Raw, p.Text()))
		})
	}
}

// textOf decodes the part that a person reads.
func textOf(t *testing.T, raw []byte, p *mailbox.Part) string {
	t.Helper()
	if p == nil {
		return ""
	}
	body, encoding, err := mailmime.OpenPart(bytes.NewReader(raw), p.ID, nil)
	require.NoError(t, err)
	r := mailmime.NewTransferDecoder(encoding, body)
	if label := p.Params["charset"]; label != "" {
		r, err = charset.NewReader(label, r)
		require.NoError(t, err)
	}
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return strings.TrimSuffix(string(text), "\r\n")
}
