package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// withMailbox opens the account, runs do, and closes it.
func (a *app) withMailbox(ctx context.Context, rawURL string, do func(mailbox.Mailbox) error) error {
	o := account.Options{Plaintext: a.plaintext, CAFile: a.caFile, Connections: a.connections, Password: a.password}
	if a.trace {
		o.Trace = a.printTrace
	}
	mb, err := account.Open(ctx, rawURL, &o)
	if err != nil {
		return err
	}
	defer mb.Close()
	return do(mb)
}

// printTrace shows one line of the protocol; each goes out in one write.
func (a *app) printTrace(e access.TraceEvent) {
	arrow := "<"
	if e.Sent {
		arrow = ">"
	}
	fmt.Fprintf(a.err, "%d %s %s\n", e.Conn, arrow, e.Line)
}

// errNoPassword says where passwords come from.
var errNoPassword = errors.New("no password: set POSTROOM_PASSWORD or give --password-file")

// password finds the secret: the file, the environment, then a prompt.
func (a *app) password(user, host string) (string, error) {
	switch {
	case a.passwordFile != "":
		data, err := os.ReadFile(a.passwordFile)
		if err != nil {
			return "", err
		}
		line, _, _ := strings.Cut(string(data), "\n")
		return strings.TrimSuffix(line, "\r"), nil
	case a.getenv("POSTROOM_PASSWORD") != "":
		return a.getenv("POSTROOM_PASSWORD"), nil
	case a.in == nil:
		return "", errNoPassword
	case term.IsTerminal(int(a.in.Fd())):
		fmt.Fprintf(a.err, "Password of %s at %s: ", user, host)
		p, err := term.ReadPassword(int(a.in.Fd()))
		fmt.Fprintln(a.err)
		return string(p), err
	}
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", errors.Join(errNoPassword, err)
	}
	return line, nil
}
