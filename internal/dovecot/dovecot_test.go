package dovecot

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

const message = "From: a@example.org\r\nSubject: one\r\n\r\nHello.\r\n"

func TestAppend(t *testing.T) {
	s := Get(t)
	user := s.NewUser(t)
	other := strings.Replace(message, "one", "two", 1)
	s.Create(t, user, `Odd "name" \ here`)
	s.Append(t, user, `Odd "name" \ here`, []byte(message), []byte(other))

	lines := s.Do(t, user, `SELECT "Odd \"name\" \\ here"`, "UID FETCH 1:* (FLAGS BODY.PEEK[])")
	got := strings.Join(lines, "\r\n")
	first, second := strings.Index(got, "Subject: one"), strings.Index(got, "Subject: two")
	assert.Positive(t, first)
	assert.Greater(t, second, first, "the order of messages")
	assert.NotContains(t, got, `(\Seen`)
	assert.NotContains(t, got, s.Password)
}

// TestAppendMany sends more than both sides' socket buffers hold, which stands
// still for ever if nobody reads answers meanwhile.
func TestAppendMany(t *testing.T) {
	s := Get(t)
	user := s.NewUser(t)
	big := []byte(message + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 200))
	all := make([][]byte, 600)
	for i := range all {
		all[i] = big
	}
	s.Append(t, user, "INBOX", all...)
	assert.Contains(t, s.Do(t, user, "STATUS INBOX (MESSAGES)"), "* STATUS INBOX (MESSAGES 600)")
}

func TestFolders(t *testing.T) {
	s := Get(t)
	got := strings.Join(s.Do(t, s.NewUser(t), `LIST "" *`), "\n")
	for _, name := range []string{"Sent", "Drafts", "Trash", "Junk", "Archive"} {
		assert.Regexp(t, `\\`+name+`\) "/" `+name, got)
	}
	assert.Contains(t, got, "INBOX")
}

func TestUsersAreApart(t *testing.T) {
	s := Get(t)
	a, b := s.NewUser(t), s.NewUser(t)
	require.NotEqual(t, a, b)
	s.Append(t, a, "INBOX", []byte(message))
	assert.Contains(t, s.Do(t, b, "STATUS INBOX (MESSAGES)"), "* STATUS INBOX (MESSAGES 0)")
}

func TestFailures(t *testing.T) {
	s := Get(t)
	user := s.NewUser(t)
	_, err := s.exchange(user, [][]byte{[]byte("APPEND Nowhere {1+}\r\nx")})
	assert.ErrorContains(t, err, "TRYCREATE")
	assert.ErrorContains(t, err, "APPEND Nowhere {1+}:")

	wrong := *s
	wrong.Password = "canary-5ecret"
	_, err = wrong.exchange(user, nil)
	require.ErrorContains(t, err, "LOGIN: NO")
	assert.NotContains(t, err.Error(), wrong.Password)

	untrusting := *s
	untrusting.roots = x509.NewCertPool()
	_, err = untrusting.exchange(user, nil)
	assert.ErrorContains(t, err, "certificate")
}

// TestAddresses speaks the first words on all four ports.
func TestAddresses(t *testing.T) {
	s := Get(t)
	for _, c := range []struct{ name, addr, greeting, starttls string }{
		{"IMAP", s.IMAP, "* OK ", "t STARTTLS\r\n"},
		{"POP3", s.POP3, "+OK ", "STLS\r\n"},
		{"IMAPS", s.IMAPS, "* OK ", ""},
		{"POP3S", s.POP3S, "+OK ", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			nc, err := net.Dial("tcp", c.addr)
			require.NoError(t, err)
			defer nc.Close()
			require.NoError(t, nc.SetDeadline(time.Now().Add(20*time.Second)))
			config := s.TLSConfig()
			config.ServerName = "127.0.0.1"
			if c.starttls == "" {
				nc = tls.Client(nc, config)
			}
			r := bufio.NewReader(nc)
			line, err := r.ReadString('\n')
			require.NoError(t, err)
			assert.Truef(t, strings.HasPrefix(line, c.greeting), "%q", line)
			if c.starttls == "" {
				return
			}
			_, err = nc.Write([]byte(c.starttls))
			require.NoError(t, err)
			_, err = r.ReadString('\n')
			require.NoError(t, err)
			assert.NoError(t, tls.Client(nc, config).Handshake())
		})
	}
}

func TestFromEnv(t *testing.T) {
	there := Get(t)
	full := map[string]string{"CA": os.Getenv("POSTROOM_DOVECOT_CA")}
	for _, name := range []string{"IMAP", "IMAPS", "POP3", "POP3S", "PASSWORD", "MAIL"} {
		full[name] = "value of " + name
	}
	read := func(change map[string]string) (*Server, error) {
		return fromEnv(func(name string) string {
			name = strings.TrimPrefix(name, "POSTROOM_DOVECOT_")
			if v, ok := change[name]; ok {
				return v
			}
			return full[name]
		})
	}

	s, err := read(nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"value of IMAP", "value of IMAPS", "value of POP3", "value of POP3S", "value of PASSWORD", "value of MAIL"},
		[]string{s.IMAP, s.IMAPS, s.POP3, s.POP3S, s.Password, s.Mail})
	assert.True(t, s.roots.Equal(there.roots))

	_, err = fromEnv(func(string) string { return "" })
	assert.ErrorIs(t, err, ErrAbsent)
	for name := range full {
		_, err = read(map[string]string{name: ""})
		assert.ErrorContains(t, err, "POSTROOM_DOVECOT_"+name+" is not set")
		assert.NotErrorIs(t, err, ErrAbsent)
	}
	_, err = read(map[string]string{"CA": filepath.Join(t.TempDir(), "missing")})
	assert.ErrorIs(t, err, os.ErrNotExist)
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, []byte("nothing"), 0o600))
	_, err = read(map[string]string{"CA": empty})
	assert.ErrorContains(t, err, "holds no certificate")
}

func TestForeign(t *testing.T) {
	s := Get(t)
	foreign := *s
	foreign.Mail = filepath.Join(t.TempDir(), "missing")
	assert.ErrorIs(t, foreign.writable(), ErrForeign)
	assert.NotErrorIs(t, s.writable(), ErrAbsent)
}

func BenchmarkAppend(b *testing.B) {
	s := Get(b)
	user := s.NewUser(b)
	all := make([][]byte, 100)
	for i := range all {
		all[i] = fmt.Appendf(nil, "Subject: %d\r\n\r\n%s", i, bytes.Repeat([]byte("x"), 4096))
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Append(b, user, "INBOX", all...)
	}
}
