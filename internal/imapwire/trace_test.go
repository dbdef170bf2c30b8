package imapwire

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const canary = "canary-5ecret"

// tracer collects a trace.
type tracer struct {
	mu    sync.Mutex
	lines []string
}

func (tr *tracer) add(sent bool, line string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	side := "S: "
	if sent {
		side = "C: "
	}
	tr.lines = append(tr.lines, side+line)
}

func (tr *tracer) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return strings.Join(tr.lines, "\n")
}

// testSecretsInLogs logs in by every way, with success and without, and looks
// for the secret in the trace and in the errors.
func testSecretsInLogs(t *testing.T) {
	plain := sasl.NewPlainClient("", "alice", canary)
	_, ir, err := plain.Start()
	require.NoError(t, err)
	for _, tt := range []struct {
		name  string
		caps  string
		login func(*imapclient.Client) error
	}{
		{"LOGIN", "IMAP4rev1", func(e *imapclient.Client) error { return e.Login("alice", canary).Wait() }},
		{"LOGIN by literals", "IMAP4rev1 LITERAL+", func(e *imapclient.Client) error { return e.Login("alicé", canary+"é").Wait() }},
		{"PLAIN", "IMAP4rev1", func(e *imapclient.Client) error { return e.Authenticate(plain) }},
		{"PLAIN, initial response", "IMAP4rev1 SASL-IR", func(e *imapclient.Client) error { return e.Authenticate(plain) }},
	} {
		for _, answer := range []string{"OK [CAPABILITY IMAP4rev1] in", "NO no", "BAD bad"} {
			tr := &tracer{}
			nc := loginServer(t, "", answer)
			c := New(nc, &Options{Trace: tr.add})
			e := imapclient.New(c.Engine(strings.Fields(tt.caps)), nil)
			require.NoError(t, e.WaitGreeting())
			err := tt.login(e)
			assert.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, c.Err()), canary)
			_ = e.Close()
			_ = nc.Close()
			trace := tr.String()
			assert.Contains(t, trace, "***", tt.name)
			for _, secret := range []string{canary, enc64(ir), enc64([]byte(canary))} {
				assert.NotContains(t, trace, secret, tt.name)
			}

			var log lockedLog
			bare := imapclient.New(loginServer(t, "* OK [CAPABILITY "+tt.caps+"] x\r\n", answer), &imapclient.Options{DebugWriter: &log})
			require.NoError(t, bare.WaitGreeting())
			_ = tt.login(bare)
			_ = bare.Close()
			assert.Regexp(t, canary+"|"+regexp.QuoteMeta(enc64(ir)), log.String(), "the bare client writes it down: %s", tt.name)
		}
	}
}

// loginServer answers any login.
func loginServer(t *testing.T, greeting, answer string) net.Conn {
	return serve(t, func(s *server) {
		s.send("%s", greeting)
		for line := s.line(); line != ""; line = s.line() {
			switch f := strings.Fields(line); {
			case len(f) == 3 && f[1] == "AUTHENTICATE":
				s.send("+ \r\n")
			case strings.HasSuffix(line, "+}"):
			default:
				s.send("T1 %s\r\n", answer)
			}
		}
	})
}

func TestTrace(t *testing.T) {
	tr := &tracer{}
	c := New(serve(t, func(s *server) {
		s.send("* OK hello\r\n")
		s.expect(`P1 LIST "" {2+}`)
		s.expect("\xc3\xa9")
		s.send("* LIST () \"/\" {3}\r\na\"b\r\nP1 OK done\r\n")
		s.expect("P2 UID FETCH 1 (BODY.PEEK[])")
		s.send("* 1 FETCH (UID 1 BODY[] {5}\r\nhello FLAGS ())\r\nP2 OK done\r\n")
	}), &Options{Trace: tr.add})
	_, err := c.Greeting()
	require.NoError(t, err)
	c.learn(&Status{Code: "CAPABILITY", Args: "LITERAL+"})
	cmd, err := c.Start("LIST", String(""), String("é"))
	require.NoError(t, err)
	_, err = cmd.Wait()
	require.NoError(t, err)
	cmd, err = c.Start("UID FETCH", UIDs(Set{{1, 1}}), Raw("(BODY.PEEK[])"))
	require.NoError(t, err)
	_, err = cmd.Wait()
	require.NoError(t, err)
	_, err = cmd.Next()
	require.Equal(t, io.EOF, err)
	assert.Equal(t, strings.Join([]string{
		"S: * OK hello",
		`C: P1 LIST "" [2 octets]`,
		`S: * LIST () "/" [3 octets]`,
		"S: P1 OK done",
		"C: P2 UID FETCH 1 (BODY.PEEK[])",
		"S: * 1 FETCH (UID 1 BODY[] {5}",
		"S: [5 octets]",
		"S:  FLAGS ())",
		"S: P2 OK done",
	}, "\n"), tr.String())
}

// lockedLog is a log that several goroutines write.
type lockedLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
