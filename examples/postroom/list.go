package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
)

func (a *app) capsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "caps URL",
		Short: "Say what an account can do",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withMailbox(cmd.Context(), args[0], func(mb mailbox.Mailbox) error {
				if a.json {
					return a.printJSON(mb.Caps())
				}
				w := a.table()
				for name, v := range mb.Caps().All() {
					row(w, strings.ReplaceAll(name, "_", " "), fmt.Sprint(v))
				}
				return w.Flush()
			})
		},
	}
}

func (a *app) foldersCommand() *cobra.Command {
	var status bool
	cmd := &cobra.Command{
		Use:   "folders URL",
		Short: "List the folders",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withMailbox(cmd.Context(), args[0], func(mb mailbox.Mailbox) error {
				w := a.table()
				for f, err := range mb.Folders(cmd.Context(), &mailbox.FoldersOptions{Status: status}) {
					if err != nil {
						return err
					}
					if a.json {
						if err := a.printJSON(toFolderJSON(f)); err != nil {
							return err
						}
						continue
					}
					counts := ""
					if f.Status != nil {
						counts = fmt.Sprintf("%d messages, %d unseen", f.Status.Messages, f.Status.Unseen)
					}
					row(w, f.Name, string(f.Role), string(f.RoleSource), counts)
				}
				return w.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&status, "status", false, "count the messages of each folder")
	return cmd
}

type folderJSON struct {
	Name       string   `json:"name"`
	Role       string   `json:"role,omitempty"`
	RoleSource string   `json:"role_source,omitempty"`
	NoSelect   bool     `json:"no_select,omitempty"`
	Attributes []string `json:"attributes,omitempty"`
	Messages   *int64   `json:"messages,omitempty"`
	Unseen     *int64   `json:"unseen,omitempty"`
}

func toFolderJSON(f *mailbox.Folder) folderJSON {
	j := folderJSON{Name: f.Name, Role: string(f.Role), RoleSource: string(f.RoleSource), NoSelect: f.NoSelect, Attributes: f.Attributes}
	if f.Status != nil {
		j.Messages, j.Unseen = &f.Status.Messages, &f.Status.Unseen
	}
	return j
}

func (a *app) listCommand() *cobra.Command {
	var folder string
	var newest int
	var reverse, count bool
	cmd := &cobra.Command{
		Use:   "list URL",
		Short: "List the messages of a folder",
		Long: `List the messages of a folder, oldest first.

With --json each line has id, uid_text, subject, from, to, date, received, size,
flags and attachments; over POP3 attachments would cost a download, so there are
none, and "structure" is false.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withMailbox(cmd.Context(), args[0], func(mb mailbox.Mailbox) error {
				o := &mailbox.ListOptions{Newest: newest, Reverse: reverse}
				if a.json {
					o.Fields = mailbox.AllFields
				}
				show, done := a.summaryPrinter()
				if count {
					show, done = a.counter()
				}
				for s, err := range mb.List(cmd.Context(), folder, o) {
					if err != nil {
						return err
					}
					if err := show(s); err != nil {
						return err
					}
				}
				return done()
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&folder, "folder", mailbox.Inbox, "the `folder` to list")
	f.IntVar(&newest, "newest", 0, "list only the newest `n` messages")
	f.BoolVar(&reverse, "reverse", false, "list the newest message first")
	f.BoolVar(&count, "count", false, "read every summary and print only their number")
	return cmd
}

// counter counts the summaries whose envelope came.
func (a *app) counter() (show func(*mailbox.Summary) error, done func() error) {
	n := 0
	return func(s *mailbox.Summary) error {
			if s.Envelope != nil {
				n++
			}
			return nil
		}, func() error {
			_, err := fmt.Fprintf(a.out, "count=%d\n", n)
			return err
		}
}

func (a *app) summaryPrinter() (show func(*mailbox.Summary) error, done func() error) {
	if a.json {
		return func(s *mailbox.Summary) error { return a.printJSON(toSummaryJSON(s)) }, func() error { return nil }
	}
	w := a.table()
	return func(s *mailbox.Summary) error {
		from, subject, date := "", "", s.Received
		if e := s.Envelope; e != nil {
			from, subject = strings.Join(addresses(e.From), ", "), e.Subject
			if date.IsZero() {
				date = e.Date
			}
		}
		mark := " "
		if !hasFlag(s.Flags, mailbox.FlagSeen) && s.Fields.Has(mailbox.FieldFlags) {
			mark = "*"
		}
		row(w, s.ID.String(), mark, date.Local().Format("2006-01-02 15:04"), human.Size(s.Size), short(from, 30), short(subject, 60))
		return nil
	}, w.Flush
}

func hasFlag(flags []mailbox.Flag, f mailbox.Flag) bool {
	for _, g := range flags {
		if g == f {
			return true
		}
	}
	return false
}

type summaryJSON struct {
	ID          mailbox.ID       `json:"id"`
	UIDText     string           `json:"uid_text"`
	Subject     string           `json:"subject"`
	From        []string         `json:"from"`
	To          []string         `json:"to"`
	Cc          []string         `json:"cc,omitempty"`
	Date        *time.Time       `json:"date"`
	Received    *time.Time       `json:"received"`
	MessageID   string           `json:"message_id,omitempty"`
	Size        int64            `json:"size"`
	Flags       []mailbox.Flag   `json:"flags"`
	Attachments []partJSON       `json:"attachments"`
	Structure   bool             `json:"structure"`
	Defects     []mailbox.Defect `json:"defects,omitempty"`
}

func toSummaryJSON(s *mailbox.Summary) summaryJSON {
	j := summaryJSON{ID: s.ID, UIDText: s.ID.Key(), Size: s.Size, Flags: s.Flags, Defects: s.Defects,
		From: []string{}, To: []string{}, Attachments: []partJSON{}, Structure: s.Structure != nil}
	if j.Flags == nil {
		j.Flags = []mailbox.Flag{}
	}
	if !s.Received.IsZero() {
		j.Received = &s.Received
	}
	if e := s.Envelope; e != nil {
		j.Subject, j.From, j.To, j.Cc, j.MessageID = e.Subject, addresses(e.From), addresses(e.To), addresses(e.Cc), e.MessageID
		if !e.Date.IsZero() {
			j.Date = &e.Date
		}
	}
	for _, p := range s.Attachments() {
		j.Attachments = append(j.Attachments, toPartJSON(p, true))
	}
	return j
}
