package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

// withMailbox opens the account, runs do, and closes it.
func (a *app) withMailbox(ctx context.Context, rawURL string, do func(mailbox.Mailbox) error) error {
	mb, err := account.Open(ctx, rawURL, a.account())
	if err != nil {
		return err
	}
	defer mb.Close()
	return do(mb)
}

// account is how an account is opened by the flags that all commands share.
func (a *app) account() *account.Options {
	o := &account.Options{
		Discover: a.discover, Confirm: a.confirm, Dialer: a.dialer, TLSConfig: a.tls,
		Plaintext: a.plaintext, CAFile: a.caFile, Connections: a.connections,
		Password: a.secret("POSTROOM_PASSWORD", "password-file", a.passwordFile),
	}
	o.Discover.AllowPrivate = o.Discover.AllowPrivate || a.private
	if a.trace {
		o.Trace = func(e access.TraceEvent) { a.printTrace("", e) }
	}
	return o
}

// confirm asks whether a server may get the password that nobody vouches for.
func (a *app) confirm(_ context.Context, s discover.Server) bool {
	fmt.Fprintf(a.err, "%v\n", s)
	for _, why := range s.Confirm {
		fmt.Fprintf(a.err, "  %s\n", human.Printable(why))
	}
	if a.yes {
		return true
	}
	if a.in == nil || !term.IsTerminal(int(a.in.Fd())) {
		fmt.Fprintln(a.err, "To use this server all the same, give --yes.")
		return false
	}
	fmt.Fprint(a.err, "Use this server? [y/N] ")
	if a.lines == nil {
		a.lines = bufio.NewReader(a.in)
	}
	answer, _ := a.lines.ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}

// printTrace shows one line of the protocol; each goes out in one write.
func (a *app) printTrace(prefix string, e access.TraceEvent) {
	arrow := "<"
	if e.Sent {
		arrow = ">"
	}
	fmt.Fprintf(a.err, "%s%d %s %s\n", prefix, e.Conn, arrow, e.Line)
}

// secret finds a password where it is: in the file, the environment, then on
// standard input.
func (a *app) secret(variable, flag, file string) func(user, host string) (string, error) {
	return func(user, host string) (string, error) {
		nowhere := fmt.Errorf("no password: set %s or give --%s", variable, flag)
		switch {
		case file != "":
			data, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			line, _, _ := strings.Cut(string(data), "\n")
			return strings.TrimSuffix(line, "\r"), nil
		case a.getenv(variable) != "":
			return a.getenv(variable), nil
		case a.in == nil:
			return "", nowhere
		case term.IsTerminal(int(a.in.Fd())):
			fmt.Fprintf(a.err, "Password of %s at %s: ", human.Printable(user), human.Printable(host))
			p, err := term.ReadPassword(int(a.in.Fd()))
			fmt.Fprintln(a.err)
			return string(p), err
		}
		if a.lines == nil {
			a.lines = bufio.NewReader(a.in) // two passwords may stand in two lines
		}
		line, err := a.lines.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", errors.Join(nowhere, err)
		}
		return line, nil
	}
}

// once asks for a password once in the life of the program.
func once(ask func(user, host string) (string, error)) func(user, host string) (string, error) {
	known, password := false, ""
	return func(user, host string) (string, error) {
		if known {
			return password, nil
		}
		p, err := ask(user, host)
		if err == nil {
			known, password = true, p
		}
		return p, err
	}
}
