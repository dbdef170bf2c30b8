package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/postroom-go/postroom/examples/internal/account"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/transfer"
)

// What the garbage collector is told: bodies pass through, little of them stays,
// and collecting somewhat more often than Go does by itself costs next to no time.
// Near the limit it collects as often as it takes, for half of the time at most.
const (
	pullGC     = 50       // percent that the heap may grow
	pullMemory = 26 << 20 // octets
)

// once opens both accounts, copies what is new, and tells how it went. The error
// is errIncomplete if only some messages failed.
func (p *pull) once(ctx context.Context) error {
	src, err := account.Open(ctx, p.from, p.source)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	defer src.Close()
	dst, scratch, err := p.openTarget(ctx)
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	defer os.RemoveAll(scratch)
	defer dst.Close()
	if name(src, p.from) == name(dst, p.to) {
		return usagef("source and destination are the same account: %s", name(src, p.from))
	}
	opts := p.flags.options()
	if opts.Journal == "" && !account.IsMaildir(p.to) {
		if opts.Journal, err = p.journal(name(src, p.from)+"\n"+name(dst, p.to), scratch); err != nil {
			return err
		}
	}
	r := newReporter(p.app, p.flags)
	defer r.close()
	defer context.AfterFunc(ctx, r.stopping)()
	for e, err := range transfer.Events(ctx, src, dst, opts) {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = errStopped
		}
		if err != nil {
			return errors.Join(r.end(false), err)
		}
		if err := r.event(e); err != nil {
			return err
		}
	}
	if err := r.end(true); err != nil {
		return err
	}
	if r.sum.incomplete() {
		return errIncomplete
	}
	return nil
}

// openTarget opens the destination. A dry run makes no Maildir, nor anything
// else: it gets an empty one in a scratch directory, which is to be removed.
func (p *pull) openTarget(ctx context.Context) (dst mailbox.Mailbox, scratch string, err error) {
	o := *p.target
	o.Create = !p.flags.dryRun
	if !p.flags.dryRun {
		dst, err = account.Open(ctx, p.to, &o)
		return dst, "", err
	}
	if scratch, err = os.MkdirTemp("", "postroom-"); err != nil {
		return nil, "", err
	}
	dst, err = account.Open(ctx, p.to, &o)
	if errors.Is(err, mailbox.ErrNotFound) && account.IsMaildir(p.to) {
		empty := url.URL{Scheme: "maildir", Path: filepath.ToSlash(filepath.Join(scratch, "Maildir"))}
		dst, err = account.Open(ctx, empty.String(), &account.Options{Create: true})
	}
	if err != nil {
		_ = os.RemoveAll(scratch)
	}
	return dst, scratch, err
}

// journal is the file that remembers what went from one account to the other,
// where the destination has no place for it. A dry run makes no directory for it.
func (p *pull) journal(accounts, scratch string) (string, error) {
	dir, err := p.app.configDir()
	if err != nil {
		return "", fmt.Errorf("no place for the journal, give --journal: %w", err)
	}
	dir = filepath.Join(dir, "postroom")
	sum := sha256.Sum256([]byte(accounts))
	file := hex.EncodeToString(sum[:12]) + ".journal"
	if p.flags.dryRun {
		if _, err := os.Stat(dir); err != nil {
			return filepath.Join(scratch, file), nil
		}
		return filepath.Join(dir, file), nil
	}
	return filepath.Join(dir, file), os.MkdirAll(dir, 0o700)
}

// name is how a mailbox names its account, else the URL.
func name(mb mailbox.Mailbox, url string) string {
	if a, ok := mb.(interface{ Account() string }); ok {
		return a.Account()
	}
	return url
}
