package mailtest

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// talkConn is a client that has said all that it will, and takes what comes.
type talkConn struct {
	*bytes.Reader
	said bytes.Buffer
}

func (c *talkConn) Write(p []byte) (int, error)      { return c.said.Write(p) }
func (c *talkConn) Close() error                     { return nil }
func (c *talkConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *talkConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *talkConn) SetDeadline(time.Time) error      { return nil }
func (c *talkConn) SetReadDeadline(time.Time) error  { return nil }
func (c *talkConn) SetWriteDeadline(time.Time) error { return nil }

// FuzzPOP: whatever a client says, each line has an answer of its own that
// begins with a status, and nothing panics.
func FuzzPOP(f *testing.F) {
	f.Add("STAT\r\nLIST\r\nRETR 1\r\nTOP 1 1\r\nDELE 1\r\nUIDL\r\nQUIT\r\n")
	f.Add("CAPA\r\nUSER x\r\nPASS y\r\nAUTH PLAIN\r\nAAA\r\n")
	f.Add("TOP 1 99999999999999999999\r\nRETR -1\r\nLIST 1 2\r\n\r\n \r\n")
	h, err := Start(&Options{Plaintext: true})
	require.NoError(f, err)
	f.Cleanup(func() { _ = h.Close() })
	h.AddUser(ann, secret)
	require.NoError(f, h.Deliver(ann, "", []byte("Subject: x\r\n\r\n.y\r\n"), nil))
	u, err := h.store.User(ann)
	require.NoError(f, err)
	inbox, err := u.Folder("")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		nc := &talkConn{Reader: bytes.NewReader([]byte(text))}
		s := &popSession{front: newFront(h, "pop3", nc), mail: u, folder: inbox, snap: inbox.Snapshot(), deleted: map[int]bool{}}
		for {
			line, err := s.readLine()
			if err != nil {
				break
			}
			nc.said.Reset()
			s.command(strings.TrimRight(string(line), "\r\n"))
			require.NoError(t, s.flush())
			answer := nc.said.String()
			require.True(t, strings.HasPrefix(answer, "+OK") || strings.HasPrefix(answer, "-ERR"), "%q: %q", line, answer)
			require.True(t, strings.HasSuffix(answer, "\r\n"))
			if s.over {
				inbox, err := u.Folder("")
				require.NoError(t, err)
				if len(inbox.Snapshot().Messages) == 0 {
					require.NoError(t, h.Deliver(ann, "", []byte("Subject: x\r\n\r\n.y\r\n"), nil))
				}
				break
			}
		}
	})
}

// FuzzLiteral: what is taken for a literal says so.
func FuzzLiteral(f *testing.F) {
	for _, line := range []string{"a LOGIN {3}", "a APPEND x ~{10+}", "{}", "{+}", "a {-1}", "}", "a {9999999999999999999999}"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		n, sync, ok := literalAtEnd(line)
		if !ok {
			return
		}
		require.GreaterOrEqual(t, n, 0)
		require.True(t, strings.HasSuffix(line, "}"))
		require.Equal(t, !strings.HasSuffix(line, "+}"), sync)
	})
}
