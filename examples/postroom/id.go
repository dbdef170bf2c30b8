package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postroom-go/postroom/mailbox"
)

// idFlags name a message by its number alone.
type idFlags struct {
	folder, uid string
}

func (f *idFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.folder, "folder", mailbox.Inbox, "the `folder` of --uid")
	cmd.Flags().StringVar(&f.uid, "uid", "", "name the message by its UID or UIDL in the folder as it is now, instead of by ID")
}

// split takes the ID off args unless --uid stands for it.
func (f *idFlags) split(args []string) (id string, rest []string, err error) {
	if f.uid != "" {
		return "", args, nil
	}
	if len(args) == 0 {
		return "", nil, usagef("no message: give an ID as \"postroom list\" prints it, or --uid")
	}
	return args[0], args[1:], nil
}

// resolve gives the ID. A bare UID has no epoch; the folder's newest message
// tells the one of now.
func (f *idFlags) resolve(ctx context.Context, mb mailbox.Mailbox, text string) (mailbox.ID, error) {
	if f.uid == "" {
		id, err := mailbox.ParseID(text)
		if err != nil {
			return id, usageError{err}
		}
		return id, nil
	}
	newest := &mailbox.ListOptions{Fields: mailbox.FieldsNone, Newest: 1}
	for s, err := range mb.List(ctx, f.folder, newest) {
		if err != nil {
			return mailbox.ID{}, err
		}
		return mailbox.NewID(s.ID.Folder(), s.ID.Epoch(), f.uid), nil
	}
	return mailbox.ID{}, &mailbox.Error{Op: "find " + f.uid, Folder: f.folder, Err: mailbox.ErrNotFound}
}

// withMessage opens the account that args begin with and finds the message that
// follows, or that --uid names; rest is what stands behind it.
func (a *app) withMessage(ctx context.Context, args []string, which *idFlags, do func(mb mailbox.Mailbox, id mailbox.ID, rest []string) error) error {
	text, rest, err := which.split(args[1:])
	if err != nil {
		return err
	}
	return a.withMailbox(ctx, args[0], func(mb mailbox.Mailbox) error {
		id, err := which.resolve(ctx, mb, text)
		if err != nil {
			return err
		}
		return do(mb, id, rest)
	})
}

// ids parses IDs given as arguments.
func ids(args []string) ([]mailbox.ID, error) {
	all := make([]mailbox.ID, 0, len(args))
	for _, arg := range args {
		id, err := mailbox.ParseID(arg)
		if err != nil {
			return nil, usageError{err}
		}
		if id.IsZero() {
			return nil, usageError{fmt.Errorf("an empty message ID")}
		}
		all = append(all, id)
	}
	return all, nil
}
