package charset_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/postroom-go/postroom/mailbox/charset"
)

// The text of a part is shown whatever its charset is called.
func ExampleNewReader() {
	for _, label := range []string{"iso-8859-1", "x-klingon"} {
		body := strings.NewReader("J\xf6rg")
		r, err := charset.NewReader(label, body)
		if errors.Is(err, charset.ErrUnknown) {
			r, err = charset.NewReader("unknown-8bit", body)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		text, err := io.ReadAll(r)
		fmt.Println(string(text), err)
	}
	// Output:
	// Jörg <nil>
	// Jörg <nil>
}
