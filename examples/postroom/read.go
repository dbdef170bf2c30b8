package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/charset"
)

func (a *app) showCommand() *cobra.Command {
	var which idFlags
	cmd := &cobra.Command{
		Use:   "show URL ID",
		Short: "Show a message: its envelope, its text and its attachments",
		Args:  args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withMessage(cmd.Context(), args, &which, func(mb mailbox.Mailbox, id mailbox.ID, _ []string) error {
				return a.show(cmd.Context(), mb, id)
			})
		},
	}
	which.add(cmd)
	return cmd
}

func (a *app) show(ctx context.Context, mb mailbox.Mailbox, id mailbox.ID) error {
	s, err := mailbox.Get(ctx, mb, id, mailbox.AllFields)
	if err != nil {
		return err
	}
	if s.Structure == nil {
		if s.Structure, err = mailbox.Structure(ctx, mb, id); err != nil {
			return err
		}
	}
	var text strings.Builder
	if p := s.Structure.Text(); p != nil {
		if err := copyText(ctx, &text, mb, id, p); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(struct {
			summaryJSON
			Text string `json:"text"`
		}{toSummaryJSON(s), text.String()})
	}
	return a.printMessage(s, text.String())
}

// copyText writes a text part as UTF-8; a charset nobody knows is passed
// through, and printing replaces what is not valid.
func copyText(ctx context.Context, w io.Writer, mb mailbox.Mailbox, id mailbox.ID, p *mailbox.Part) error {
	body, err := mailbox.OpenPart(ctx, mb, id, p.ID, &mailbox.OpenPartOptions{Encoding: p.Encoding})
	if err != nil {
		return err
	}
	defer body.Close()
	var r io.Reader = body
	if label := p.Params["charset"]; label != "" {
		if decoded, err := charset.NewReader(label, body); err == nil {
			r = decoded
		}
	}
	_, err = io.Copy(w, r)
	return err
}

func (a *app) printMessage(s *mailbox.Summary, text string) error {
	if e := s.Envelope; e != nil {
		for _, h := range []struct{ name, value string }{
			{"From", strings.Join(addresses(e.From), ", ")},
			{"To", strings.Join(addresses(e.To), ", ")},
			{"Cc", strings.Join(addresses(e.Cc), ", ")},
			{"Date", e.Date.Format("Mon, 2 Jan 2006 15:04:05 -0700")},
			{"Subject", e.Subject},
		} {
			if h.value != "" {
				fmt.Fprintf(a.out, "%-8s %s\n", h.name+":", human.Printable(h.value))
			}
		}
	}
	fmt.Fprintln(a.out)
	for line := range strings.Lines(text) {
		fmt.Fprintln(a.out, human.Printable(strings.TrimRight(line, "\r\n")))
	}
	for _, p := range s.Attachments() {
		fmt.Fprintf(a.out, "[part %s: %s, %s, %s encoded]\n", p.ID, human.Printable(p.SafeName()), human.Printable(p.Type), human.Size(p.Size))
	}
	return nil
}

func (a *app) rawCommand() *cobra.Command {
	var which idFlags
	var header, count bool
	cmd := &cobra.Command{
		Use:   "raw URL ID | raw URL --count",
		Short: "Write a message as it is stored to standard output",
		Long: `Write a message, octet by octet as it is stored, to standard output.

With --count and no message it reads every message of the folder and prints only
their number and octets.`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if count {
				return a.withMailbox(cmd.Context(), args[0], func(mb mailbox.Mailbox) error {
					return a.countBodies(cmd.Context(), mb, which.folder)
				})
			}
			return a.withMessage(cmd.Context(), args, &which, func(mb mailbox.Mailbox, id mailbox.ID, _ []string) error {
				r, err := mb.Open(cmd.Context(), id, &mailbox.OpenOptions{HeaderOnly: header})
				if err != nil {
					return err
				}
				defer r.Close()
				_, err = io.Copy(a.out, r)
				return err
			})
		},
	}
	which.add(cmd)
	cmd.Flags().BoolVar(&header, "header", false, "write only the header section")
	cmd.Flags().BoolVar(&count, "count", false, "read every message of the folder and print only how many and how much")
	return cmd
}

// countBodies downloads a whole folder and throws it away.
func (a *app) countBodies(ctx context.Context, mb mailbox.Mailbox, folder string) error {
	var all []mailbox.ID
	for s, err := range mb.List(ctx, folder, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		if err != nil {
			return err
		}
		all = append(all, s.ID)
	}
	n, octets := 0, int64(0)
	var failed error
	for m, err := range mailbox.Fetch(ctx, mb, all, nil) {
		if err != nil {
			return err
		}
		k, err := io.Copy(io.Discard, m.Body)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%v: %w", m.ID, err))
			continue
		}
		n++
		octets += k
	}
	fmt.Fprintf(a.out, "count=%d bytes=%d\n", n, octets)
	return failed
}

func (a *app) partsCommand() *cobra.Command {
	var which idFlags
	cmd := &cobra.Command{
		Use:   "parts URL ID",
		Short: "List a message's parts",
		Args:  args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withMessage(cmd.Context(), args, &which, func(mb mailbox.Mailbox, id mailbox.ID, _ []string) error {
				root, err := mailbox.Structure(cmd.Context(), mb, id)
				if err != nil {
					return err
				}
				return a.printParts(root)
			})
		},
	}
	which.add(cmd)
	return cmd
}

func (a *app) printParts(root *mailbox.Part) error {
	attached := map[*mailbox.Part]bool{}
	for _, p := range root.Attachments() {
		attached[p] = true
	}
	w := a.table()
	for p := range root.All() {
		if a.json {
			if err := a.printJSON(toPartJSON(p, attached[p])); err != nil {
				return err
			}
			continue
		}
		mark := ""
		if attached[p] {
			mark = "attachment"
		}
		row(w, p.ID, p.Type, human.Size(p.Size), p.Encoding, p.Filename(), mark)
	}
	return w.Flush()
}
