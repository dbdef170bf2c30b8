package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox/access"
)

const discoverHelp = `Find the servers of a mail address: from a table of providers, from what the domain
publishes, from lists, from DNS, and by guessing. No password is asked for or sent.

  postroom discover alice@example.com
  postroom discover alice@example.com --explain

The best server of each kind comes first. With --explain each thing that was tried
is printed with its time and outcome; with --json the whole result is one object.`

func (a *app) discoverCommand() *cobra.Command {
	var explain, noGuess, plaintext bool
	var ispdb string
	cmd := &cobra.Command{
		Use:   "discover ADDRESS",
		Short: "Find the servers of a mail address",
		Long:  discoverHelp,
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := a.account()
			o.Discover.NoGuess = noGuess
			o.Discover.AllowPlaintext = plaintext
			if ispdb != "" {
				o.Discover.ISPDB = ispdb
			}
			r, err := account.Lookup(cmd.Context(), args[0], o)
			var e *discover.Error
			if errors.As(err, &e) && explain && len(e.Attempts) > 0 {
				a.attempts(e.Attempts)
			}
			if errors.Is(err, discover.ErrAddress) {
				return usagef("%v", err)
			}
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			return a.found(r, explain)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&explain, "explain", false, "print everything that was tried, and how each server was found")
	f.BoolVar(&noGuess, "no-guess", false, "do not try servers that nobody named")
	f.BoolVar(&plaintext, "insecure", false, "tell of servers without TLS, too")
	f.StringVar(&ispdb, "ispdb", "", "the `URL` of a list of providers; off for none; default Thunderbird's")
	return cmd
}

// found prints the servers as a table.
func (a *app) found(r *discover.Result, explain bool) error {
	head := r.Display
	if r.Provider != "" {
		head = r.Provider + ", " + head
	}
	fmt.Fprintln(a.out, human.Printable(head))
	t := a.table()
	row(t, "PROTOCOL", "SERVER", "TLS", "USER", "LOGIN", "FOUND BY", "TRUST")
	servers := append(append([]discover.Server(nil), r.Incoming...), r.Outgoing...)
	for _, s := range servers {
		row(t, string(s.Protocol), s.Addr(), tlsName(s.TLS), s.User, strings.Join(s.Auth, " "), s.Source, string(s.Trust))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	said := map[string]bool{}
	for _, s := range servers {
		for _, why := range s.Confirm {
			if !said[why] {
				fmt.Fprintln(a.out, "To confirm:", human.Printable(why))
			}
			said[why] = true
		}
		for _, n := range s.Notes {
			if !said[n] {
				fmt.Fprintln(a.out, "Note:", human.Printable(n))
			}
			said[n] = true
		}
	}
	for _, n := range r.Notes {
		if !said[n] {
			fmt.Fprintln(a.out, "Note:", human.Printable(n))
		}
	}
	if !explain {
		return nil
	}
	for _, s := range servers {
		fmt.Fprintf(a.out, "%v: %s\n", s, human.Printable(s.Evidence))
	}
	return a.attempts(r.Attempts)
}

// attempts prints what was tried, as a timeline.
func (a *app) attempts(all []discover.Attempt) error {
	t := a.table()
	row(t, "AT", "TOOK", "SOURCE", "WHAT", "OUTCOME")
	for _, at := range all {
		row(t, at.Start.Round(time.Millisecond).String(), at.Took.Round(time.Millisecond).String(), at.Source, at.Target, at.Outcome)
	}
	return t.Flush()
}

func tlsName(m access.TLSMode) string {
	switch m {
	case access.TLSImplicit:
		return "from the start"
	case access.TLSStart:
		return "STARTTLS"
	}
	return "none"
}
