package dovecot

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// exchangeTimeout bounds one conversation; ten thousand small messages take
// seconds.
const exchangeTimeout = 2 * time.Minute

// Append adds messages to a folder, in order, over one connection. The folder's
// name is as on the wire (modified UTF-7). A failure ends the test.
func (s *Server) Append(t testing.TB, user, folder string, messages ...[]byte) {
	t.Helper()
	commands := make([][]byte, len(messages))
	for i, m := range messages {
		head := fmt.Sprintf("APPEND %s {%d+}\r\n", quote(folder), len(m))
		commands[i] = append([]byte(head), m...)
	}
	s.must(t, user, commands)
}

// Create makes a folder, named as on the wire. A failure ends the test.
func (s *Server) Create(t testing.TB, user, folder string) {
	t.Helper()
	s.Do(t, user, "CREATE "+quote(folder))
}

// Do sends IMAP commands, without tag and line end, over one connection, all of
// which must succeed, and gives the lines that came back, without their ends,
// the commands' own completion lines left out. It is for looking at a mailbox
// from outside.
func (s *Server) Do(t testing.TB, user string, commands ...string) []string {
	t.Helper()
	octets := make([][]byte, len(commands))
	for i, c := range commands {
		octets[i] = []byte(c)
	}
	return s.must(t, user, octets)
}

func (s *Server) must(t testing.TB, user string, commands [][]byte) []string {
	t.Helper()
	lines, err := s.exchange(user, commands)
	if err != nil {
		t.Fatalf("dovecot, as %s: %v", user, err)
	}
	return lines
}

// exchange logs in, does the commands, and logs out. What comes after the login
// is sent without waiting for answers.
func (s *Server) exchange(user string, commands [][]byte) ([]string, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: exchangeTimeout}, "tcp", s.IMAPS, s.TLSConfig())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return nil, err
	}
	login := "LOGIN " + quote(user) + " " + quote(s.Password)
	all := append([][]byte{[]byte(login)}, commands...)
	all = append(all, []byte("LOGOUT"))

	sent, in := make(chan error, 1), make(chan struct{})
	go func() { sent <- send(c, all, in) }()
	lines, err := receive(c, all, in)
	// The sender must not outlive us; closing ends it if the server stopped
	// listening.
	_ = c.Close()
	if sendErr := <-sent; err == nil {
		err = sendErr
	}
	return lines, err
}

func tag(i int) string { return "dovecot-test-" + strconv.Itoa(i) }

// send sends the commands. After the first it waits for the end of in: until the
// login Dovecot takes some KiB and then hangs up.
func send(c net.Conn, commands [][]byte, in <-chan struct{}) error {
	w := bufio.NewWriterSize(c, 64<<10)
	for i, command := range commands {
		if i == 1 {
			if err := w.Flush(); err != nil {
				return err
			}
			<-in
		}
		_, _ = w.WriteString(tag(i) + " ")
		_, _ = w.Write(command)
		_, _ = w.WriteString("\r\n")
	}
	return w.Flush() // the first error sticks
}

// receive reads until the last command has completed. It closes in when the first
// has, or when it fails.
func receive(c net.Conn, commands [][]byte, in chan<- struct{}) ([]string, error) {
	loggedIn := sync.OnceFunc(func() { close(in) })
	defer loggedIn()
	var lines []string
	r := bufio.NewReader(c)
	for i, command := range commands {
		prefix := tag(i) + " "
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return lines, fmt.Errorf("the answer to %s: %w", shown(i, command), err)
			}
			line = strings.TrimRight(line, "\r\n")
			answer, ok := strings.CutPrefix(line, prefix)
			if !ok {
				lines = append(lines, line)
				continue
			}
			if !strings.HasPrefix(answer, "OK") {
				return lines, errors.New(shown(i, command) + ": " + answer)
			}
			loggedIn()
			break
		}
	}
	return lines, nil
}

// shown is a command's first line as an error may show it; the first command
// holds the password.
func shown(i int, command []byte) string {
	if i == 0 {
		return "LOGIN"
	}
	line, _, _ := bytes.Cut(command, []byte("\r\n"))
	return string(line)
}

// quote makes an IMAP quoted string (RFC 9051 section 4.3).
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
