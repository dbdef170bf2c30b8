package main

import (
	"context"
	"fmt"
	"io"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/transfer"
)

// showDownload does with one side what a mail program does with a POP3 account:
// it stores everything in a Maildir and then deletes it at the server. A second
// run finds nothing to do.
func showDownload(ctx context.Context, w io.Writer, from *side, dir string, sides []*side) error {
	mb, err := maildir.Open(dir, nil)
	if err != nil {
		return err
	}
	defer mb.Close()
	for _, when := range []string{"", " again"} {
		report, err := transfer.Run(ctx, from.mb, mb, &transfer.Options{Remove: transfer.Remove{Stored: true}})
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "   over %s%s: %d messages stored, %s, and %d deleted.",
			from.name, when, report.Stored, human.Size(report.Bytes), report.Deleted)
		if err := showCounts(ctx, w, sides); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	return showInbox(ctx, w, &side{name: "the Maildir, by the code of step 2", mb: mb})
}

// showCounts counts the inbox on all sides.
func showCounts(ctx context.Context, w io.Writer, sides []*side) error {
	for _, s := range sides {
		if err := s.lookAgain(ctx); err != nil {
			return err
		}
		n, err := count(ctx, s.mb)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, " %s has %d.", s.name, n)
	}
	fmt.Fprintln(w)
	return nil
}
