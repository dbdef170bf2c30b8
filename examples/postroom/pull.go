package main

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/transfer"
)

const pullHelp = `Copy what is new from one account into another, each message exactly once however
often it runs or is interrupted: POP3 or IMAP into a Maildir, a Maildir into IMAP,
IMAP into IMAP.

  postroom pull pops://alice@pop.example.com maildir:Mail --keep 14
  postroom pull imaps://alice@imap.example.com maildir:Backup
  postroom pull maildir:Backup imaps://alice@imap.example.net

A journal remembers what was copied. In a Maildir it lies beside the mail; for
another destination it is a file in the directory postroom of the user's
configuration, or --journal. Nothing is deleted at the source unless --delete,
--keep or --delete-above says so, and then only what the destination has confirmed.
Try it with --dry-run.

The source's password comes from POSTROOM_PASSWORD, --password-file, or is asked
for; the destination's from POSTROOM_DST_PASSWORD, --dst-password-file, or is asked
for.

Ctrl-C stops in good order: what was read whole is stored, and the next run goes on
from there. A second Ctrl-C kills. It exits with 1 if the run did not come to its
end, or if a message could not be read or stored or its fate is unknown; the next
run tries again. A dead letter, which the destination refuses for good, is told and
is no failure.

With --json each line of standard output is an event with kind, folder, target, id,
to, size, reason and error; the last one of a run has the kind "report".`

// pullFlags are the flags of pull.
type pullFlags struct {
	remove               bool
	keep                 int
	above                size
	folders              []string
	limit                int
	limitSize, maxSize   size
	newestFirst          bool
	largestLast          bool
	unordered            bool
	retryDead, dryRun    bool
	journal              string
	every                time.Duration
	quiet                bool
	password             string
	plaintext, keepGiven bool
}

// size is a flag for octets.
type size int64

func (s *size) String() string {
	if *s == 0 {
		return "" // no default that --help would name
	}
	return human.Size(int64(*s))
}

func (s *size) Type() string { return "size" }

func (s *size) Set(text string) error {
	n, err := human.ParseSize(text)
	*s = size(n)
	return err
}

func (a *app) pullCommand() *cobra.Command {
	flags := &pullFlags{}
	cmd := &cobra.Command{
		Use:   "pull SRC DST",
		Short: "Copy what is new from one account into another, or into a directory",
		Long:  pullHelp,
		Args:  args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.keepGiven = cmd.Flags().Changed("keep")
			if err := flags.check(); err != nil {
				return err
			}
			debug.SetGCPercent(pullGC)
			debug.SetMemoryLimit(pullMemory)
			p := &pull{app: a, flags: flags, from: args[0], to: args[1], source: a.account(), target: a.account()}
			p.source.Password = once(p.source.Password)
			p.target.Password = once(a.secret("POSTROOM_DST_PASSWORD", "dst-password-file", flags.password))
			p.target.Plaintext = flags.plaintext
			p.target.Connections = 0
			if a.trace {
				p.target.Trace = func(e access.TraceEvent) { a.printTrace("to ", e) }
			}
			return p.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&flags.remove, "delete", false, "delete messages at the source once they are stored")
	f.IntVar(&flags.keep, "keep", 0, "delete them at the source that many `days` after they were stored")
	f.Var(&flags.above, "delete-above", "delete only those of more octets than this; alone it implies --delete")
	f.StringArrayVar(&flags.folders, "folder", nil, "copy only this `folder`; may be given again")
	f.IntVar(&flags.limit, "limit", 0, "copy at most `n` messages in one run")
	f.Var(&flags.limitSize, "limit-size", "copy at most so many octets in one run")
	f.Var(&flags.maxSize, "max-size", "leave messages of more octets at the source")
	f.BoolVar(&flags.newestFirst, "newest-first", false, "copy the newest messages first")
	f.BoolVar(&flags.largestLast, "largest-last", false, "copy the largest messages last")
	f.BoolVar(&flags.unordered, "unordered", false, "add to a destination across a network over several connections, in no order")
	f.BoolVar(&flags.retryDead, "retry-dead", false, "try again what the destination refused, and what may be there already")
	f.BoolVar(&flags.dryRun, "dry-run", false, "change nothing, and say what would happen and why")
	f.StringVar(&flags.journal, "journal", "", "remember what was copied in this `file`")
	f.DurationVar(&flags.every, "every", 0, "run on, and again after each `pause` such as 10m, until Ctrl-C")
	f.BoolVar(&flags.quiet, "quiet", false, "say nothing unless something goes wrong")
	f.StringVar(&flags.password, "dst-password-file", "", "read the destination's password from the first line of `file`")
	f.BoolVar(&flags.plaintext, "dst-plaintext", false, "--plaintext for the destination")
	return cmd
}

// check finds flags that do not go together.
func (f *pullFlags) check() error {
	switch {
	case f.remove && f.keepGiven:
		return usagef("give --delete or --keep, not both")
	case f.keep < 0 || f.keep > 36500:
		return usagef("--keep %d: want a number of days", f.keep)
	case f.newestFirst && f.largestLast:
		return usagef("give --newest-first or --largest-last, not both")
	case f.limit < 0:
		return usagef("--limit %d: want a number of messages", f.limit)
	case f.every != 0 && f.every < time.Second:
		return usagef("--every %v: want at least a second", f.every)
	case f.every != 0 && f.dryRun:
		return usagef("--dry-run says once what would happen: give it without --every")
	}
	return nil
}

// options are what the flags mean.
func (f *pullFlags) options() *transfer.Options {
	o := &transfer.Options{
		Folders: f.folders, MaxMessages: f.limit, MaxBytes: int64(f.limitSize), MaxSize: int64(f.maxSize),
		DryRun: f.dryRun, RetryDead: f.retryDead, Unordered: f.unordered, Journal: f.journal,
		Remove: transfer.Remove{
			Stored: f.remove || f.keepGiven || f.above > 0,
			After:  time.Duration(f.keep) * 24 * time.Hour,
			Above:  int64(f.above),
		},
	}
	switch {
	case f.newestFirst:
		o.Order = transfer.NewestFirst
	case f.largestLast:
		o.Order = transfer.LargestLast
	}
	return o
}

// pull is one call of the command.
type pull struct {
	app            *app
	flags          *pullFlags
	from, to       string // URLs
	source, target *account.Options
}

// Why a run was not all that it should be.
var (
	errIncomplete = errors.New("not every message was copied; the next run tries again")
	errStopped    = errors.New("stopped before the end; the next run goes on from here")
)

// run runs once, or until it is told to stop.
func (p *pull) run(ctx context.Context) error {
	if p.flags.every > 0 {
		return p.forever(ctx)
	}
	return p.once(ctx)
}
