package spool_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/postroom-go/postroom/internal/spool"
)

func ExampleQueue() {
	q := spool.NewQueue[string](nil)
	defer q.Cancel(nil)

	// The goroutine that reads the connection.
	go func() {
		for _, name := range []string{"first", "second"} {
			b, err := q.BeginPending("", 5)
			if err != nil {
				return // cancelled: it discards what comes
			}
			_, err = b.ReadFrom(strings.NewReader("hello"))
			b.CloseWithError(err)
			b.SetMeta(name) // what was said about it, behind it
			b.Ready()
		}
		q.Finish(nil)
	}()

	for {
		name, body, err := q.Next(context.Background())
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			break
		}
		text, err := io.ReadAll(body)
		fmt.Println(name, string(text), err)
	}
	// Output:
	// first hello <nil>
	// second hello <nil>
}

func ExampleSpool() {
	s := spool.New(nil)
	defer s.Close()
	go func() {
		_, err := s.ReadFrom(strings.NewReader("hello"))
		s.CloseWithError(err)
	}()
	text, err := io.ReadAll(s)
	fmt.Println(string(text), err, s.Size())
	// Output: hello <nil> 5
}
