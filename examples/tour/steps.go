package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// side is one account of the tour: how it is reached, and what crosses its
// wire.
type side struct {
	name string
	url  string
	opts account.Options
	mb   mailbox.Mailbox
	wire *mailtest.CountingDialer
}

// step prints a heading.
func step(w io.Writer, n int, title string) { fmt.Fprintf(w, "\n%d. %s\n\n", n, title) }

// showInboxes lists the newest messages of each side.
func showInboxes(ctx context.Context, w io.Writer, sides []*side) error {
	for i, s := range sides {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := showInbox(ctx, w, s); err != nil {
			return err
		}
	}
	return nil
}

// showInbox lists the newest messages. Nothing in it knows a protocol.
func showInbox(ctx context.Context, w io.Writer, s *side) error {
	fmt.Fprintf(w, "   over %s\n", s.name)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for m, err := range s.mb.List(ctx, mailbox.Inbox, &mailbox.ListOptions{Newest: 10}) {
		if err != nil {
			return err
		}
		from, subject := "", ""
		if e := m.Envelope; e != nil {
			subject = e.Subject
			if len(e.From) > 0 {
				from = e.From[0].String()
				if e.From[0].Name != "" {
					from = e.From[0].Name
				}
			}
		}
		fmt.Fprintf(t, "     %s\t%s\t%s\t%s\n", m.ID, human.Printable(from), human.Printable(subject), human.Size(m.Size))
	}
	return t.Flush()
}

// showCaps sets what the accounts can do side by side.
func showCaps(w io.Writer, sides []*side) error {
	t := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	var names []string
	values := make([]map[string]string, len(sides))
	for i, s := range sides {
		values[i] = map[string]string{}
		for name, v := range s.mb.Caps().All() {
			if i == 0 {
				names = append(names, name)
			}
			values[i][name] = describe(v)
		}
	}
	for _, name := range names {
		fmt.Fprintf(t, "     %s", strings.ReplaceAll(name, "_", " "))
		for i := range sides {
			fmt.Fprintf(t, "\t%s", values[i][name])
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// describe prints one capability.
func describe(v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "yes"
		}
		return "-"
	case int64, time.Duration:
		if s := fmt.Sprint(v); s != "0" && s != "0s" {
			return s
		}
		return "none known"
	}
	return fmt.Sprint(v)
}

// opened is what opening one part cost.
type opened struct {
	octets int64
	wire   mailtest.Stats
	took   time.Duration
	digest [sha256.Size]byte
}

// openPart reads one part to its end and counts what crosses the wire for it.
func openPart(ctx context.Context, s *side, id mailbox.ID, p *mailbox.Part) (o opened, err error) {
	before, start := s.wire.Stats(), time.Now()
	r, err := mailbox.OpenPart(ctx, s.mb, id, p.ID, &mailbox.OpenPartOptions{Encoding: p.Encoding})
	if err != nil {
		return o, err
	}
	defer r.Close()
	h := sha256.New()
	if o.octets, err = io.Copy(h, r); err != nil {
		return o, err
	}
	o.took, o.wire = time.Since(start), s.wire.Stats().Sub(before)
	h.Sum(o.digest[:0])
	return o, nil
}

// showPart opens the part of the message with this Message-ID on each side.
func showPart(ctx context.Context, w io.Writer, sides []*side, messageID string, p *mailbox.Part) error {
	var first *opened
	for _, s := range sides {
		id, err := find(ctx, s.mb, messageID)
		if errors.Is(err, mailbox.ErrNotFound) {
			fmt.Fprintf(w, "   over %s the message is not there\n", s.name)
			continue
		}
		if err != nil {
			return err
		}
		o, err := openPart(ctx, s, id, p)
		if err != nil {
			return err
		}
		same := ""
		if first == nil {
			first = &o
		} else if first.digest == o.digest {
			same = ", and the octets are the same"
		}
		fmt.Fprintf(w, "   over %s %s: %s of content, %s on the wire, %v%s\n",
			s.name, human.Printable(p.SafeName()), human.Size(o.octets), human.Size(o.wire.Sent+o.wire.Received), o.took.Round(time.Millisecond/10), same)
	}
	return nil
}

// find gives the ID under which a mailbox holds the message with this
// Message-ID, looking through the newest messages only.
func find(ctx context.Context, mb mailbox.Mailbox, messageID string) (mailbox.ID, error) {
	for m, err := range mb.List(ctx, mailbox.Inbox, &mailbox.ListOptions{Newest: 100, Reverse: true}) {
		if err != nil {
			return mailbox.ID{}, err
		}
		if m.Envelope != nil && m.Envelope.MessageID == messageID {
			return m.ID, nil
		}
	}
	return mailbox.ID{}, &mailbox.Error{Op: "find", Folder: mailbox.Inbox, Err: mailbox.ErrNotFound}
}

// count is how many messages the inbox holds.
func count(ctx context.Context, mb mailbox.Mailbox) (n int, err error) {
	for _, err := range mb.List(ctx, mailbox.Inbox, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
