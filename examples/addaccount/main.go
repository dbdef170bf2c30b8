// Command addaccount adds a mail account as a mail program does: it asks for the
// address, finds the servers or, where nothing names them, asks for them, has the
// user confirm what nobody vouches for, asks for the password or has him sign in, and tries it out. What it found is printed
// as JSON, without the secret, for a program to open the account with next time.
//
//	go run ./examples/addaccount
//	go run ./examples/addaccount --client-id ID --client-secret SECRET   # to sign in by OAuth2
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/term"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/examples/internal/oauth"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	w := &wizard{in: bufio.NewReader(os.Stdin), out: os.Stderr}
	flag.StringVar(&w.clientID, "client-id", "", "the `ID` that the provider has given to this program, to sign in by OAuth2")
	flag.StringVar(&w.clientSecret, "client-secret", "", "the secret that goes with it, if there is one")
	flag.StringVar(&w.options.Dir, "dir", "", "a `directory` for the mail of a POP3 account")
	flag.Parse()
	w.secret = func() (string, error) {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return w.ask("")
		}
		p, err := term.ReadPassword(int(os.Stdin.Fd()))
		fmt.Fprintln(w.out)
		return string(p), err
	}
	config, err := w.run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "addaccount:", err)
		os.Exit(1)
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	_ = e.Encode(config)
}

// wizard is one conversation with a user.
type wizard struct {
	in                     *bufio.Reader
	out                    io.Writer
	secret                 func() (string, error)
	clientID, clientSecret string
	options                postroom.Options
}

func (w *wizard) ask(question string) (string, error) {
	fmt.Fprint(w.out, question)
	line, err := w.in.ReadString('\n')
	if line = strings.TrimSpace(line); line == "" && err != nil {
		return "", err
	}
	return line, nil
}

// run is the whole conversation.
func (w *wizard) run(ctx context.Context) (*postroom.Config, error) {
	address, err := w.ask("Mail address: ")
	if err != nil {
		return nil, err
	}
	w.options.Finder = &discover.Finder{Options: w.options.Discover} // one lookup for all that follows
	found, err := w.options.Finder.Lookup(ctx, address)
	if err != nil {
		if found, err = w.byHand(address, err); err != nil {
			return nil, err // it says what the user can do
		}
	}
	w.show(found)
	w.options.Confirm = w.confirm
	for range 3 {
		auth, err := w.auth(ctx, found)
		if err != nil {
			return nil, err
		}
		account, err := postroom.Open(ctx, address, auth, &w.options)
		if err == nil {
			defer account.Close()
			return w.finish(ctx, account)
		}
		var e *postroom.LoginError
		if !errors.As(err, &e) {
			return nil, err
		}
		switch e.Reason {
		case postroom.WrongSecret, postroom.NeedsAppPassword:
			fmt.Fprintln(w.out, e.Advice)
		case postroom.Unreachable:
			if e.Server.Source == "table" { // whose names are right
				return nil, err
			}
			if found, err = w.byHand(address, err); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
	return nil, errors.New("that was three times; not again, or the provider locks the account")
}

// byHand asks for the servers that nothing names, or that do not answer, if that
// may help; else it gives why back.
func (w *wizard) byHand(address string, why error) (*discover.Result, error) {
	if !errors.Is(why, discover.ErrNothing) && !errors.Is(why, mailbox.ErrUnavailable) {
		return nil, why
	}
	fmt.Fprintln(w.out, why)
	incoming, err := w.ask("Server that has your mail, such as imap.example.org (nothing to give up): ")
	if err != nil || incoming == "" {
		return nil, givenUp{why}
	}
	outgoing, err := w.ask("Server that sends, such as smtp.example.org: ")
	if err != nil {
		return nil, givenUp{why}
	}
	found := &discover.Result{Address: address, Incoming: []discover.Server{{Host: incoming}}}
	if strings.HasPrefix(strings.ToLower(incoming), "pop") {
		found.Incoming[0].Protocol = discover.POP3
	}
	if outgoing != "" {
		found.Outgoing = []discover.Server{{Host: outgoing}}
	}
	if err := found.Complete(); err != nil {
		return nil, err
	}
	w.options.Incoming, w.options.Outgoing = found.Incoming, found.Outgoing
	return found, nil
}

// givenUp is an error that the user has read already.
type givenUp struct{ why error }

func (givenUp) Error() string { return "no server was named" }

func (g givenUp) Unwrap() error { return g.why }

// show tells what was found.
func (w *wizard) show(found *discover.Result) {
	fmt.Fprintf(w.out, "Found %s", human.Printable(found.Display))
	if found.Provider != "" {
		fmt.Fprintf(w.out, ", %s", human.Printable(found.Provider))
	}
	fmt.Fprintln(w.out)
	for _, s := range append(append([]discover.Server(nil), found.Incoming...), found.Outgoing...) {
		fmt.Fprintf(w.out, "  %v, by %s\n", s, s.Source)
	}
	notes := append([]string(nil), found.Notes...)
	for _, n := range found.Incoming[0].Notes {
		if !slices.Contains(notes, n) {
			notes = append(notes, n)
		}
	}
	for _, n := range notes {
		fmt.Fprintf(w.out, "  %s\n", human.Printable(n))
	}
}

// confirm asks about a server that nobody vouches for.
func (w *wizard) confirm(_ context.Context, s discover.Server) bool {
	fmt.Fprintf(w.out, "%v\n", s)
	for _, why := range s.Confirm {
		fmt.Fprintf(w.out, "  %s\n", human.Printable(why))
	}
	answer, err := w.ask("Is this your provider's server? [y/N] ")
	return err == nil && strings.EqualFold(answer, "y")
}

// auth gets a password, or signs in where the provider wants that.
func (w *wizard) auth(ctx context.Context, found *discover.Result) (access.Auth, error) {
	s := found.Incoming[0]
	user := ""
	if s.User == "" {
		var err error
		if user, err = w.ask("User name: "); err != nil {
			return access.Auth{}, err
		}
	}
	signIn := slices.Contains(s.Auth, "oauth2") && s.OAuth2 != nil && s.OAuth2.AuthURL != "" && w.clientID != ""
	switch {
	case !signIn && len(s.Auth) == 1 && s.Auth[0] == "oauth2":
		return access.Auth{}, errors.New("this provider takes no passwords: register the program with it, and give --client-id")
	case !signIn:
		fmt.Fprint(w.out, "Password: ")
		p, err := w.secret()
		return access.Password(user, p, nil), err
	}
	// The client's ID and secret are for one provider, and not for whomever a
	// domain names.
	if s.OAuth2.Provider == "" {
		s.Confirm = append(s.Confirm, "One signs in at "+s.OAuth2.AuthURL+", which is not a provider that is known.")
	}
	if len(s.Confirm) > 0 && !w.confirm(ctx, s) {
		return access.Auth{}, errors.New("not confirmed: nothing was sent")
	}
	c := oauth.Config(s.OAuth2, w.clientID, w.clientSecret)
	for _, other := range append(append([]discover.Server(nil), found.Incoming...), found.Outgoing...) {
		if other.OAuth2 == nil || other.OAuth2.TokenURL != s.OAuth2.TokenURL {
			continue
		}
		for _, scope := range other.OAuth2.Scopes {
			if !slices.Contains(c.Scopes, scope) {
				c.Scopes = append(c.Scopes, scope)
			}
		}
	}
	token, err := oauth.Loopback(ctx, c, found.Address, func(url string) error {
		_, err := fmt.Fprintf(w.out, "Sign in with your browser at\n%s\n", url)
		return err
	})
	if err != nil {
		return access.Auth{}, err
	}
	return access.OAuth2(user, oauth.Source(oauth2.ReuseTokenSource(token, c.TokenSource(ctx, token))), nil), nil
}

// finish tries the server that sends, too.
func (w *wizard) finish(ctx context.Context, account *postroom.Account) (*postroom.Config, error) {
	if _, err := account.Sender(ctx); err != nil {
		fmt.Fprintln(w.out, "Mail can be read, and not be sent:", err)
	}
	fmt.Fprintln(w.out, account.Report())
	config := account.Config()
	return &config, nil
}
