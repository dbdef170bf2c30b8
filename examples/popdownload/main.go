// Command popdownload does what a mail program does with a POP3 account: it
// downloads what is new into a Maildir, and deletes at the server what is stored.
//
//	PASSWORD=... go run ./examples/popdownload -keep 14 pop.example.com:995 alice@example.com Mail
//
// With -keep the server has each message for that many days after it was stored.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/transfer"
	"github.com/postroom-go/postroom/popsrc"
)

func main() {
	keep := flag.Int("keep", 0, "leave messages at the server for that many `days`")
	flag.Parse()
	if flag.NArg() != 3 || *keep < 0 {
		log.Fatal("usage: popdownload [-keep DAYS] HOST:PORT USER DIRECTORY, and the password in PASSWORD")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	auth := access.Password(flag.Arg(1), os.Getenv("PASSWORD"), nil)
	if err := download(ctx, os.Stdout, flag.Arg(0), auth, nil, flag.Arg(2), *keep); err != nil {
		log.Fatal(err)
	}
}

// download is the whole program.
func download(ctx context.Context, w io.Writer, addr string, auth access.Auth, opts *popsrc.Options, dir string, keep int) error {
	src, err := popsrc.Dial(ctx, addr, auth, opts)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := maildir.Open(dir, nil)
	if err != nil {
		return err
	}
	defer dst.Close()

	remove := transfer.Remove{Stored: true, After: time.Duration(keep) * 24 * time.Hour}
	for e, err := range transfer.Events(ctx, src, dst, &transfer.Options{Remove: remove}) {
		if err != nil {
			return err
		}
		if !e.ID.IsZero() && e.Kind != transfer.Read { // else it is of the whole folder, or tells of progress
			fmt.Fprintf(w, "%s %v %d %s\n", e.Kind, e.ID, e.Size, e.Reason)
		}
	}
	return nil
}
