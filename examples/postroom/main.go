// Command postroom reads, changes and copies mail accounts, and sends mail, from the command line. It is
// the example that uses most of the SDK, and it uses only public packages.
//
//	postroom caps imaps://alice@imap.example.com
//	postroom list imaps://alice@imap.example.com --newest 20
//	postroom save imaps://alice@imap.example.com INBOX:1700000000:42 2 -o report.pdf
//	postroom pull pops://alice@pop.example.com maildir:Mail --delete
//	postroom discover alice@example.com
//	postroom send smtps://alice@smtp.example.com --raw *.eml
//
// The password comes from POSTROOM_PASSWORD, --password-file, or a prompt.
// Results go to standard output, diagnostics to standard error. It exits with 0
// when done, 1 when it failed, 2 when it was called wrongly.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/mailbox/access"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, configDir: os.UserConfigDir, wait: wait}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// app is one invocation: its streams, and the flags that all commands share.
type app struct {
	in        *os.File
	lines     *bufio.Reader // of in, once a line was read
	out       io.Writer
	err       io.Writer
	getenv    func(string) string
	configDir func() (string, error)
	wait      func(context.Context, time.Duration) error

	json         bool
	plaintext    bool
	trace        bool
	caFile       string
	passwordFile string
	connections  int
	yes          bool
	private      bool

	// The network, for tests.
	dialer   access.Dialer
	tls      *tls.Config
	discover discover.Options
}

// usageError is a mistake in the command line: exit status 2.
type usageError struct{ error }

func (usageError) Is(target error) bool { return target == account.ErrUsage }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run executes one command line and gives its exit status.
func (a *app) run(ctx context.Context, args []string) int {
	cmd := a.command()
	cmd.SetArgs(args)
	cmd.SetOut(a.out)
	cmd.SetErr(a.err)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(a.err, "postroom:", err)
	if errors.Is(err, account.ErrUsage) {
		return 2
	}
	return 1
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "postroom",
		Short: "Read, change and copy mail accounts, and send mail",
		Long: `postroom reads, changes and copies mail, over IMAP and POP3 and in Maildirs, and
sends it over SMTP.

` + account.Help + ` The password comes from the
environment variable POSTROOM_PASSWORD, from --password-file, or is asked for.

A message is named by its ID as "postroom list" prints it, such as
INBOX:1700000000:42.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q: see postroom --help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print one JSON object a line")
	f.BoolVar(&a.plaintext, "plaintext", false, "use no TLS at all with imap://, pop:// and smtp://; everybody on the way can read and change everything")
	f.BoolVar(&a.trace, "trace", false, "print the protocol to standard error, secrets redacted")
	f.StringVar(&a.caFile, "ca", "", "trust the certificate authorities in this PEM `file`, too")
	f.StringVar(&a.passwordFile, "password-file", "", "read the password from the first line of `file`")
	f.BoolVar(&a.yes, "yes", false, "use servers that were found for an address although nobody vouches for them")
	f.BoolVar(&a.private, "private", false, "find servers of an address at loopback and private addresses, too")
	f.IntVar(&a.connections, "connections", 0, "use at most `n` connections (IMAP)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(a.capsCommand(), a.foldersCommand(), a.listCommand(), a.showCommand(), a.rawCommand(),
		a.partsCommand(), a.saveCommand(), a.deleteCommand(), a.appendCommand(), a.flagCommand(), a.pullCommand(), a.sendCommand(), a.discoverCommand())
	return root
}

// args is cobra's check of the number of arguments, as a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%v\nUsage: %s", err, cmd.UseLine())
		}
		return nil
	}
}
