package compose_test

import (
	"context"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"testing/fstest"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
	"github.com/postroom-go/postroom/smtpsink/compose"
)

func Example() {
	ctx := context.Background()
	m := &compose.Message{
		From:    []mail.Address{{Name: "Ann", Address: "ann@example.org"}},
		To:      []mail.Address{{Name: "Böb", Address: "bob@bücher.example"}},
		Bcc:     []mail.Address{{Address: "carl@example.net"}},
		Subject: "Lunch on Friday",
		Text:    "At noon?\n",
		// These are made up if they are left out.
		Date:      time.Date(2026, 1, 2, 9, 30, 0, 0, time.UTC),
		MessageID: "1@example.org",
	}
	p, err := m.Prepare(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	body, err := p.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer body.Close()
	raw, err := io.ReadAll(body)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Envelope().To)
	fmt.Print(strings.ReplaceAll(string(raw), "\r\n", "\n"))
	// Output:
	// [bob@xn--bcher-kva.example carl@example.net]
	// From: Ann <ann@example.org>
	// To: =?utf-8?q?B=C3=B6b?= <bob@xn--bcher-kva.example>
	// Subject: Lunch on Friday
	// Date: Fri, 02 Jan 2026 09:30:00 +0000
	// Message-ID: <1@example.org>
	// MIME-Version: 1.0
	// Content-Type: text/plain; charset=us-ascii
	// Content-Transfer-Encoding: 7bit
	//
	// At noon?
}

func ExampleMessage_Prepare() {
	m := &compose.Message{
		From:    []mail.Address{{Address: "ann@example.org"}},
		To:      []mail.Address{{Address: "bob@example.com"}},
		Subject: "Hello\r\nBcc: carl@example.net",
	}
	_, err := m.Prepare(context.Background())
	fmt.Println(err)
	// Output: compose: Subject: has a control character or a line break: it must be text on one line
}

func ExampleFileAttachment() {
	ctx := context.Background()
	files := fstest.MapFS{"reports/märz.csv": {Data: []byte("a;b\n")}}
	m := &compose.Message{
		From:        []mail.Address{{Address: "ann@example.org"}},
		To:          []mail.Address{{Address: "bob@example.com"}},
		Text:        "See the table.\n",
		Attachments: []compose.Attachment{compose.FileAttachment(files, "reports/märz.csv")},
	}
	p, err := m.Prepare(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	body, err := p.Open(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer body.Close()
	root, _, err := mailbox.ReadStructure(body, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, part := range root.Attachments() {
		fmt.Println(part.Filename(), part.Type, part.Encoding)
	}
	// Output: märz.csv text/csv base64
}

func ExampleParseAddresses() {
	list, err := compose.ParseAddresses(`Ann <ann@example.org>, "Lee, Bob" <bob@example.com>`)
	fmt.Println(len(list), list[1].Name, err)
	_, err = compose.ParseAddresses("bob")
	fmt.Println(err)
	// Output:
	// 2 Lee, Bob <nil>
	// compose: address: "bob" is no list of addresses: write "Ann <ann@example.org>, bob@example.com"
}

func ExampleReply() {
	ctx := context.Background()
	store := memory.NewStore()
	if err := store.Deliver(mailbox.Inbox, []byte("From: Bob <bob@example.com>\r\nTo: ann@example.org\r\nSubject: AW: Lunch?\r\n"+
		"Date: Fri, 2 Jan 2026 09:30:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nAt noon?\r\n"), nil); err != nil {
		fmt.Println(err)
		return
	}
	mb := memory.New(&memory.Options{Store: store})
	defer mb.Close()
	for s, err := range mb.List(ctx, mailbox.Inbox, nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		m, err := compose.Reply(ctx, mb, s.ID, &compose.ReplyOptions{
			Self: []mail.Address{{Name: "Ann", Address: "ann@example.org"}},
			Text: "Gladly.",
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.From[0].Address, m.To[0].Address, m.InReplyTo, m.Subject)
		fmt.Print(m.Text)
	}
	// Output:
	// ann@example.org bob@example.com [1@example.com] Re: Lunch?
	// Gladly.
	//
	// On Fri, 2 Jan 2026 at 09:30 +0000, Bob <bob@example.com> wrote:
	//
	// > At noon?
}

func ExampleForward() {
	ctx := context.Background()
	store := memory.NewStore()
	if err := store.Deliver(mailbox.Inbox, []byte("From: Bob <bob@example.com>\r\nSubject: Lunch?\r\n\r\nAt noon?\r\n"), nil); err != nil {
		fmt.Println(err)
		return
	}
	mb := memory.New(&memory.Options{Store: store})
	defer mb.Close()
	for s, err := range mb.List(ctx, mailbox.Inbox, nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		m, err := compose.Forward(ctx, mb, s.ID, &compose.ForwardOptions{Text: "For you.", Attach: true})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Subject, m.Attachments[0].Name)
	}
	// Output: Fwd: Lunch? Lunch_.eml
}
