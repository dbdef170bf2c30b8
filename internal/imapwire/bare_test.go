package imapwire

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/require"
)

// childEnv names what a child process of the test binary should do: what kills
// a process must not kill the tests.
const childEnv = "IMAPWIRE_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "bare-nest":
		childBareNest()
	case "bare-cut":
		childBareCut()
	case "bare-expand":
		childBareExpand()
	}
}

// inChild runs a case of TestMain in a child process.
func inChild(t *testing.T, name string) (output string, err error) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+name, "GOTRACEBACK=none")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// bareClient is go-imap's client without a guard, against a script that gets its
// first command's tag.
func bareClient(script func(far net.Conn, tag string)) *imapclient.Client {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		s := &server{nc: far}
		_, _ = io.WriteString(far, "* OK [CAPABILITY IMAP4rev1 ENABLE UIDPLUS] x\r\n")
		buf := make([]byte, 4096)
		n, _ := s.nc.Read(buf)
		go func() { _, _ = io.Copy(io.Discard, far) }()
		tag, _, _ := strings.Cut(string(buf[:n]), " ")
		script(far, tag)
	}()
	return imapclient.New(near, nil)
}

// bareClientWith is bareClient with a handler; what it writes first goes to got.
func bareClientWith(h *imapclient.UnilateralDataHandler, answer string, got ...chan string) *imapclient.Client {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		_, _ = io.WriteString(far, "* OK [CAPABILITY IMAP4rev1] x\r\n")
		buf := make([]byte, 4096)
		n, _ := far.Read(buf)
		for _, ch := range got {
			ch <- string(buf[:n])
		}
		tag, _, _ := strings.Cut(string(buf[:n]), " ")
		_, _ = io.WriteString(far, strings.ReplaceAll(answer, "%s", tag))
		_, _ = io.Copy(io.Discard, far)
	}()
	return imapclient.New(near, &imapclient.Options{UnilateralDataHandler: h})
}

// childBareNest sends very many "(" to the bare client. With a stack of 1/64 of
// the usual size it takes 1/64 of the six megabytes.
func childBareNest() {
	debug.SetMaxStack(16 << 20)
	c := bareClient(func(far net.Conn, tag string) {
		_, _ = fmt.Fprintf(far, "* 1 FETCH (UID 1 BODYSTRUCTURE %s\r\n", strings.Repeat("(", 6<<14))
	})
	err := c.Noop().Wait()
	fmt.Println("survived:", err)
}

// childBareCut reads a body of ten octets that is cut after four.
func childBareCut() {
	c := bareClient(func(far net.Conn, tag string) {
		_, _ = io.WriteString(far, "* 1 FETCH (UID 7 BODY[] {10}\r\n0123")
	})
	msg := bareFetchAll(c).Next()
	for item := msg.Next(); ; item = msg.Next() {
		if b, ok := item.(imapclient.FetchItemDataBodySection); ok {
			octets, err := io.ReadAll(b.Literal)
			fmt.Printf("read %q, %v\n", octets, err)
			return
		}
	}
}

// childBareExpand lets go-imap write out the set 4294967295, and gives it a
// million times the memory that this needs.
func childBareExpand() {
	done := make(chan struct{})
	go func() {
		_, _ = imap.UIDSet{{Start: 4294967295, Stop: 4294967295}}.Nums()
		close(done)
	}()
	for {
		select {
		case <-done:
			fmt.Println("ends")
			return
		case <-time.After(time.Millisecond):
			var m runtime.MemStats
			if runtime.ReadMemStats(&m); m.HeapAlloc > 4<<20 {
				fmt.Println("goes on")
				os.Exit(0)
			}
		}
	}
}

// bare runs one command of the bare client against an answer, in which %s is
// its tag.
func bare(t *testing.T, answer string, command func(*imapclient.Client) error) error {
	t.Helper()
	c := bareClient(func(far net.Conn, tag string) {
		_, _ = io.WriteString(far, strings.ReplaceAll(answer, "%s", tag))
	})
	defer c.Close()
	require.NoError(t, c.WaitGreeting())
	return command(c)
}

func bareNoop(t *testing.T, answer string) error {
	t.Helper()
	return bare(t, answer, func(c *imapclient.Client) error { return c.Noop().Wait() })
}

func bareFetch(t *testing.T, answer string) error {
	t.Helper()
	return bareFetchEach(t, answer, func() {})
}

// bareFetchEach fetches everything, and calls each for every message.
func bareFetchEach(t *testing.T, answer string, each func()) error {
	t.Helper()
	return bare(t, answer, func(c *imapclient.Client) error {
		cmd := bareFetchAll(c)
		for cmd.Next() != nil {
			each()
		}
		return cmd.Close()
	})
}

func bareFetchAll(c *imapclient.Client) *imapclient.FetchCommand {
	return c.Fetch(imap.UIDSet{imap.UIDRange{Start: 1, Stop: 100}}, &imap.FetchOptions{UID: true,
		BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
}
