package sent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/sent"
)

// t stands for the one that a test function gets.
var t testing.TB = new(testing.T)

// A file is sent, and its copy is in the Sent folder, which was not there before.
func ExampleSend() {
	host := mailtest.New(t, nil)
	host.AddUser("ann@example.org", "secret")
	ctx, auth := context.Background(), access.Password("ann@example.org", "secret", nil)
	network := access.Options{TLSConfig: host.ClientTLS()}
	sink, err := smtpsink.Dial(ctx, host.SMTPS, auth, &smtpsink.Options{Net: network})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sink.Close()
	box, err := imapsrc.Dial(ctx, host.IMAPS, auth, &imapsrc.Options{Net: network})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()

	const eml = "From: ann@example.org\nTo: ann@example.org\nSubject: note to self\nMessage-ID: <1@example.org>\n\nBuy milk.\n"
	message, err := sent.Raw(ctx, &smtpsink.Envelope{From: "ann@example.org", To: []string{"ann@example.org"}},
		func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(eml)), nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := sent.Send(ctx, sink, box, message, nil)
	switch {
	case errors.Is(err, sent.ErrNotFiled):
		fmt.Println("sent, without a copy:", result.Copy.Err)
	case err != nil:
		fmt.Println(result.Receipt.Outcome, err)
	default:
		fmt.Println(result.Receipt.Outcome, "and", result.Copy.State, "in", result.Copy.Folder)
	}

	// Once more, as after a crash: it is there already.
	copied, err := sent.File(ctx, box, message, nil)
	fmt.Println(copied.State, err)
	// Output:
	// accepted and filed in Sent
	// found <nil>
}
