// Command tour shows what postroom does, in a few steps that anybody can read.
//
//	go run ./examples/tour
//
// starts a mail host in this process and needs no network. With --imap and
// --pop it shows the read-only steps on real accounts:
//
//	POSTROOM_PASSWORD=... go run ./examples/tour --imap imaps://alice@imap.example.com --pop pops://alice@pop.example.com
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/postroom-go/postroom/examples/internal/account"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Stdout, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

// run is the whole program.
func run(ctx context.Context, w io.Writer, args []string) error {
	f := flag.NewFlagSet("tour", flag.ContinueOnError)
	imapURL := f.String("imap", "", "show this IMAP account instead, read-only; the password is in POSTROOM_PASSWORD")
	popURL := f.String("pop", "", "show this POP3 account instead, read-only")
	caFile := f.String("ca", "", "trust the certificate authorities in this PEM file, too")
	plaintext := f.Bool("plaintext", false, "use no TLS at all with imap:// and pop://")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *imapURL == "" && *popURL == "" {
		return showLocal(ctx, w, bigMessage)
	}
	o := account.Options{CAFile: *caFile, Plaintext: *plaintext, Password: func(_, _ string) (string, error) {
		if p := os.Getenv("POSTROOM_PASSWORD"); p != "" {
			return p, nil
		}
		return "", errors.New("no password: set POSTROOM_PASSWORD")
	}}
	return showAccounts(ctx, w, *imapURL, *popURL, &o)
}
