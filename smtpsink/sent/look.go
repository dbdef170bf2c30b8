package sent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// place is where copies are to go.
type place struct {
	// name is the folder; empty if there is none yet.
	name string
	// prefix and delimiter are for the name of a new one: there are servers that
	// keep all folders below INBOX.
	prefix, delimiter string
}

// find finds the folder for the copy.
func (f *filing) find(ctx context.Context, mb mailbox.Mailbox) (place, error) {
	if f.opts.Folder != "" {
		return place{name: f.opts.Folder}, nil
	}
	if caps := mb.Caps(); !caps.Folders {
		return place{}, fmt.Errorf("this %s account has no folder for sent messages: %w", caps.Protocol, errors.ErrUnsupported)
	}
	var p place
	var best *mailbox.Folder
	others, below := 0, 0
	for folder, err := range mb.Folders(ctx, nil) {
		if err != nil {
			return place{}, err
		}
		if folder.Name == mailbox.Inbox {
			p.delimiter = folder.Delimiter
			continue
		}
		others++
		if folder.Delimiter != "" && strings.HasPrefix(folder.Name, mailbox.Inbox+folder.Delimiter) {
			below++
		}
		if folder.Role == mailbox.RoleSent && !folder.NoSelect && (best == nil || surer(folder, best)) {
			p.name, best = folder.Name, folder
		}
	}
	if others > 0 && others == below && p.delimiter != "" {
		p.prefix = mailbox.Inbox + p.delimiter
	}
	return p, nil
}

// surer reports whether a folder's role is better founded than another's. Of two
// that are as good, the one of fewer levels is: what lies deep may be an archive, or
// the folder of somebody else who shares his.
func surer(a, b *mailbox.Folder) bool {
	order := []mailbox.RoleSource{"", mailbox.RoleByName, mailbox.RoleByXList, mailbox.RoleByAttribute, mailbox.RoleByProtocol}
	return cmp.Or(slices.Index(order, a.RoleSource)-slices.Index(order, b.RoleSource), levels(b)-levels(a)) > 0
}

func levels(f *mailbox.Folder) int {
	if f.Delimiter == "" {
		return 0
	}
	return strings.Count(f.Name, f.Delimiter)
}

// create makes the folder and gives its name.
func create(ctx context.Context, mb mailbox.Mailbox, p place) (string, error) {
	names := []string{p.name}
	if p.name == "" {
		names = []string{p.prefix + "Sent"}
		if p.prefix == "" && p.delimiter != "" {
			names = append(names, mailbox.Inbox+p.delimiter+"Sent")
		}
	}
	var first error
	for _, name := range names {
		err := folders.Create(ctx, mb, name, &folders.CreateOptions{Role: mailbox.RoleSent})
		switch {
		case err == nil || errors.Is(err, mailbox.ErrExists):
			return name, nil
		case ctx.Err() != nil || mailbox.Retryable(err):
			return "", err
		case first == nil:
			first = err
		}
	}
	return "", first
}

// looksWork reports whether a copy can be recognised.
func (f *filing) looksWork(mb mailbox.Mailbox) bool {
	return len(f.ids) > 0 && mb.Caps().Envelopes
}

// found looks for the copy, so often, and notes it.
func (f *filing) found(ctx context.Context, mb mailbox.Mailbox, folder string, looks int) (bool, error) {
	if !f.looksWork(mb) {
		return false, nil
	}
	wait := f.opts.Wait
	for n := range looks {
		if n > 0 {
			if err := pause(ctx, wait); err != nil {
				return false, err
			}
			wait *= 2
		}
		id, err := f.look(ctx, mb, folder)
		if err != nil {
			return false, err
		}
		if !id.IsZero() {
			f.copy.State, f.copy.ID = Found, id
			return true, nil
		}
	}
	return false, nil
}

// look looks once. A folder that is not there holds nothing.
func (f *filing) look(ctx context.Context, mb mailbox.Mailbox, folder string) (mailbox.ID, error) {
	opts := &mailbox.ListOptions{Fields: mailbox.FieldEnvelope, Newest: f.opts.Newest, Reverse: true}
	for s, err := range mb.List(ctx, folder, opts) {
		if errors.Is(err, mailbox.ErrNotFound) {
			return mailbox.ID{}, nil
		}
		if err != nil {
			return mailbox.ID{}, err
		}
		if s.Envelope != nil && s.Envelope.MessageID != "" && slices.Contains(f.ids, s.Envelope.MessageID) {
			return s.ID, nil
		}
	}
	return mailbox.ID{}, nil
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
