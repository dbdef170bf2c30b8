package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
)

func (a *app) saveCommand() *cobra.Command {
	var which idFlags
	var output string
	var text, count bool
	cmd := &cobra.Command{
		Use:   "save URL ID PART",
		Short: "Save one part of a message, decoded",
		Long: `Save one part of a message, its transfer encoding removed.

The file is named as the sender named the part, made safe, unless -o names it;
-o - writes to standard output. A file that exists is not overwritten.`,
		Args: args(cobra.RangeArgs(1, 3)),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, rest, err := which.split(args[1:])
			if err != nil {
				return err
			}
			if (len(rest) == 1) == text {
				return usagef("give the number of one part as \"postroom parts\" prints it, or --text")
			}
			return a.withMessage(cmd.Context(), args, &which, func(mb mailbox.Mailbox, id mailbox.ID, rest []string) error {
				part, err := findPart(cmd.Context(), mb, id, rest)
				if err != nil {
					return err
				}
				return a.save(cmd.Context(), mb, id, part, output, count)
			})
		},
	}
	which.add(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `file`; - is standard output")
	cmd.Flags().BoolVar(&text, "text", false, "save the part that holds the message's text")
	cmd.Flags().BoolVar(&count, "count", false, "read the part and print only how much it is")
	return cmd
}

// findPart gives the part that number names, or the text if there is none.
func findPart(ctx context.Context, mb mailbox.Mailbox, id mailbox.ID, number []string) (*mailbox.Part, error) {
	root, err := mailbox.Structure(ctx, mb, id)
	if err != nil {
		return nil, err
	}
	part := root.Text()
	if len(number) == 1 {
		part = root.Find(number[0])
	}
	if part == nil || part.Multipart() {
		return nil, &mailbox.Error{Op: "find the part", ID: id, Err: mailbox.ErrNotFound}
	}
	return part, nil
}

func (a *app) save(ctx context.Context, mb mailbox.Mailbox, id mailbox.ID, p *mailbox.Part, output string, count bool) (err error) {
	body, err := mailbox.OpenPart(ctx, mb, id, p.ID, &mailbox.OpenPartOptions{Encoding: p.Encoding})
	if err != nil {
		return err
	}
	defer body.Close()
	if count {
		n, err := io.Copy(io.Discard, body)
		if err == nil {
			_, err = fmt.Fprintf(a.out, "count=1 bytes=%d\n", n)
		}
		return err
	}
	if output == "-" {
		_, err = io.Copy(a.out, body)
		return err
	}
	if output == "" {
		output = p.SafeName()
	}
	f, err := os.OpenFile(output, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			_ = os.Remove(output)
		}
	}()
	bar := a.progress("saving "+human.Printable(output), -1)
	n, err := io.Copy(io.MultiWriter(f, bar), body)
	if err != nil {
		return err
	}
	_ = bar.Close()
	if a.json {
		return a.printJSON(map[string]any{"file": output, "bytes": n})
	}
	_, err = fmt.Fprintf(a.out, "%s: %s\n", human.Printable(output), human.Size(n))
	return err
}
