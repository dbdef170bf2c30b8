// Command backup copies all folders of an IMAP account into a Maildir. Run again,
// it copies what is new. It deletes nothing, neither there nor here.
//
//	PASSWORD=... go run ./examples/backup imap.example.com:993 alice@example.com Backup
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/maildir"
	"github.com/postroom-go/postroom/mailbox/transfer"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: backup HOST:PORT USER DIRECTORY, and the password in PASSWORD")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	auth := access.Password(os.Args[2], os.Getenv("PASSWORD"), nil)
	if err := backup(ctx, os.Stdout, os.Args[1], auth, nil, os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

// backup is the whole program.
func backup(ctx context.Context, w io.Writer, addr string, auth access.Auth, opts *imapsrc.Options, dir string) error {
	src, err := imapsrc.Dial(ctx, addr, auth, opts)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := maildir.Open(dir, nil)
	if err != nil {
		return err
	}
	defer dst.Close()

	report, err := transfer.Run(ctx, src, dst, nil)
	fmt.Fprintf(w, "%d folders, %d as they were; %d messages stored, %d octets; %d failed\n",
		report.Folders, report.Unchanged, report.Stored, report.Bytes, report.Failed+len(report.Dead))
	return err
}
