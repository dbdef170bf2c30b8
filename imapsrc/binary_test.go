package imapsrc

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// TestBinary is OpenPart at servers that offer BINARY (RFC 3516): they decode,
// unless they do not know the part's encoding (section 4.3), or do not do what
// they offer; then we do.
func TestBinary(t *testing.T) {
	const base64, binary = "aGVsbG8g\r\nd29ybGQ=\r\n", "hello world"
	for name, tt := range map[string]struct {
		answer   string // to BINARY.PEEK, in place of the tagged OK; "" decodes
		binaries int    // how often it is asked for, of two times
		bodies   int    // and how often the part as it is stored
	}{
		"decodes":            {"", 2, 0},
		"unknown encoding":   {"NO [UNKNOWN-CTE] what is that", 2, 2},
		"refuses":            {"NO not today", 1, 2},
		"does not know it":   {"BAD what", 1, 2},
		"tells of none":      {"OK done", 2, 2},
		"unknown, lowercase": {"NO [unknown-cte] what is that", 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil, func(c *mailtest.Conn) {
				selected(c, "IMAP4rev1 BINARY", 1)
				for {
					tag, args := c.Command("UID FETCH")
					switch {
					case !strings.Contains(args, "BINARY"):
						c.Sendf("* 1 FETCH (UID 1 BODY[2]<0> {%d}\r\n%s)\r\n%s OK done\r\n", len(base64), base64, tag)
					case tt.answer == "":
						c.Sendf("* 1 FETCH (UID 1 BINARY[2]<0> ~{%d}\r\n%s)\r\n%s OK done\r\n", len(binary), binary, tag)
					default:
						c.Sendf("%s %s\r\n", tag, tt.answer)
					}
				}
			})
			m := r.mustDial()
			for range 2 {
				part, err := m.OpenPart(t.Context(), id("1"), "2", &mailbox.OpenPartOptions{Encoding: "BASE64"})
				require.NoError(t, err)
				data, err := io.ReadAll(part)
				require.NoError(t, err)
				require.NoError(t, part.Close())
				assert.Equal(t, binary, string(data))
			}
			said := r.srv.Transcript()
			assert.Equal(t, tt.binaries, strings.Count(said, "(UID BINARY.PEEK[2]<"), said)
			assert.Equal(t, tt.bodies, strings.Count(said, "(UID BODY.PEEK[2]<"), said)
			assert.Equal(t, 1, r.srv.Accepted())
		})
	}
	// Not asked for where it is not offered, nor to read a part as it is stored;
	// and what hangs up instead of refusing is no refusal.
	r := newRig(t, nil, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1 BINARY", 1)
		tag, args := c.Command("UID FETCH")
		if strings.Contains(args, "BINARY") {
			c.Send("* BYE [UNKNOWN-CTE] go away\r\n")
			return
		}
		c.Sendf("* 1 FETCH (UID 1 BODY[2]<0> {%d}\r\n%s)\r\n%s OK done\r\n", len(base64), base64, tag)
		idle(c)
	})
	part, err := r.mustDial().OpenPart(t.Context(), id("1"), "2", &mailbox.OpenPartOptions{Encoding: "base64", Encoded: true})
	require.NoError(t, err)
	data, err := io.ReadAll(part)
	require.NoError(t, err)
	assert.Equal(t, base64, string(data))
	_, err = r.mustDial().OpenPart(t.Context(), id("1"), "2", &mailbox.OpenPartOptions{Encoding: "base64"})
	require.ErrorIs(t, err, mailbox.ErrUnavailable)
}
