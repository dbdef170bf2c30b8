package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
)

func (a *app) deleteCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "delete URL ID...",
		Short: "Remove messages from the server for good",
		Args:  args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := ids(args[1:])
			if err != nil {
				return err
			}
			return a.withMailbox(cmd.Context(), args[0], func(mb mailbox.Mailbox) error {
				if err := mb.Delete(cmd.Context(), all, nil); err != nil {
					return err
				}
				return a.done("deleted", all)
			})
		},
	}
}

// done tells what was done to which messages.
func (a *app) done(what string, all []mailbox.ID) error {
	for _, id := range all {
		if a.json {
			if err := a.printJSON(map[string]any{"id": id, "done": what}); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintln(a.out, what, id); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) flagCommand() *cobra.Command {
	var add, remove, replace []string
	cmd := &cobra.Command{
		Use:   "flag URL ID... [--add F] [--remove F] [--set F,F]",
		Short: "Change the flags of messages",
		Long: `Change the flags of messages. seen, answered, flagged, deleted and draft are the
system flags; any other word is a keyword, such as $Forwarded. --set "" takes all
flags away.`,
		Args: args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := ids(args[1:])
			if err != nil {
				return err
			}
			change := mailbox.FlagChange{Add: flags(add), Remove: flags(remove)}
			if cmd.Flags().Changed("set") {
				change.Replace = append([]mailbox.Flag{}, flags(replace)...)
			}
			if (change.Replace != nil) == (len(change.Add)+len(change.Remove) > 0) {
				return usagef("give --add and --remove, or --set")
			}
			return a.withMailbox(cmd.Context(), args[0], func(mb mailbox.Mailbox) error {
				if err := mailbox.SetFlags(cmd.Context(), mb, all, change, nil); err != nil {
					return err
				}
				return a.done("flagged", all)
			})
		},
	}
	cmd.Flags().StringSliceVar(&add, "add", nil, "`flags` to set")
	cmd.Flags().StringSliceVar(&remove, "remove", nil, "`flags` to take away")
	cmd.Flags().StringSliceVar(&replace, "set", nil, "the whole new set of `flags`")
	return cmd
}

// flags reads flags as people write them.
func flags(words []string) []mailbox.Flag {
	var all []mailbox.Flag
	for _, w := range words {
		switch strings.ToLower(strings.TrimPrefix(w, `\`)) {
		case "":
		case "seen":
			all = append(all, mailbox.FlagSeen)
		case "answered":
			all = append(all, mailbox.FlagAnswered)
		case "flagged":
			all = append(all, mailbox.FlagFlagged)
		case "deleted":
			all = append(all, mailbox.FlagDeleted)
		case "draft":
			all = append(all, mailbox.FlagDraft)
		default:
			all = append(all, mailbox.Flag(w))
		}
	}
	return all
}

func (a *app) appendCommand() *cobra.Command {
	var folder, received string
	var marks []string
	cmd := &cobra.Command{
		Use:   "append URL FILE...",
		Short: "Add messages from files to a folder; - is standard input",
		Args:  args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := mailbox.AppendOptions{Flags: flags(marks)}
			if received != "" {
				t, err := time.Parse(time.RFC3339, received)
				if err != nil {
					return usagef("--received: want a date such as 2026-01-31T12:00:00Z: %v", err)
				}
				o.Received = t
			}
			return a.withMailbox(cmd.Context(), args[0], func(mb mailbox.Mailbox) error {
				for _, name := range args[1:] {
					id, err := a.appendFile(cmd, mb, folder, name, o)
					if err != nil {
						return fmt.Errorf("%s: %w", human.Printable(name), err)
					}
					if a.json {
						err = a.printJSON(map[string]any{"file": name, "id": id})
					} else {
						_, err = fmt.Fprintln(a.out, human.Printable(name), id)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&folder, "folder", mailbox.Inbox, "the `folder` to add to")
	f.StringSliceVar(&marks, "flag", nil, "`flags` of the new messages")
	f.StringVar(&received, "received", "", "their `date` of receipt, such as 2026-01-31T12:00:00Z; default now")
	return cmd
}

func (a *app) appendFile(cmd *cobra.Command, mb mailbox.Mailbox, folder, name string, o mailbox.AppendOptions) (mailbox.ID, error) {
	if name == "-" {
		if a.in == nil {
			return mailbox.ID{}, errors.New("no standard input")
		}
		return mailbox.Append(cmd.Context(), mb, folder, a.in, &o)
	}
	f, err := os.Open(name)
	if err != nil {
		return mailbox.ID{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return mailbox.ID{}, err
	}
	if st.Mode()&fs.ModeType == 0 {
		o.Size = st.Size()
	}
	bar := a.progress("adding "+human.Printable(name), st.Size())
	defer bar.Close()
	return mailbox.Append(cmd.Context(), mb, folder, io.TeeReader(f, bar), &o)
}
