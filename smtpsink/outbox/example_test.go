package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/outbox"
)

// server stands in for a Sink: it takes all but loses its answer to the second
// message.
type server struct{ messages int }

func (s *server) Send(_ context.Context, env *smtpsink.Envelope, message io.Reader, _ *smtpsink.SendOptions) (*smtpsink.Receipt, error) {
	if _, err := io.Copy(io.Discard, message); err != nil {
		return &smtpsink.Receipt{}, err
	}
	s.messages++
	if s.messages == 2 {
		return &smtpsink.Receipt{Outcome: smtpsink.Unknown}, &mailbox.Error{Op: "send", Err: mailbox.ErrUnknownOutcome}
	}
	fmt.Println("sent to", env.To[0])
	return &smtpsink.Receipt{Outcome: smtpsink.Accepted}, nil
}

func (s *server) Close() error { return nil }

// Enqueue messages, send them, and decide about one of which nobody knows whether
// it was taken.
func Example() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	box, err := outbox.Open(dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer box.Close()

	ctx := context.Background()
	for _, to := range []string{"bob@example.com", "carol@example.com", "bob@example.com"} {
		message := strings.NewReader("From: ann@example.org\r\nTo: " + to + "\r\nSubject: Hi\r\nMessage-ID: <" + to + ">\r\n\r\nHi.\r\n")
		env := &smtpsink.Envelope{From: "ann@example.org", To: []string{to}}
		// The third has the key of the first: it is the same message.
		if _, err := box.Enqueue(ctx, env, message, &outbox.EnqueueOptions{Key: "greeting of " + to}); err != nil {
			log.Fatal(err)
		}
	}

	// A program that goes on leaves Once out, and runs it in a goroutine.
	if err := box.Run(ctx, &server{}, &outbox.RunOptions{Once: true}); err != nil {
		log.Fatal(err)
	}
	for e, err := range box.List() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Envelope.To[0], "is", e.State)
		// Somebody has asked Carol: she has got it.
		if err := box.Decide(e.ID, outbox.Accept); err != nil && !errors.Is(err, mailbox.ErrNotFound) {
			log.Fatal(err)
		}
	}
	// Output:
	// sent to bob@example.com
	// carol@example.com is unknown
}
