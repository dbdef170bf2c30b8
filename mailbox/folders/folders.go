// Package folders changes which folders a mailbox has.
package folders

import (
	"context"
	"errors"
	"fmt"

	"github.com/postroom-go/postroom/mailbox"
)

// Creator is implemented by drivers that can make folders. Users call Create.
type Creator interface {
	CreateFolder(ctx context.Context, name string, opts *CreateOptions) error
}

// CreateOptions are the options of Create. Nil and zero are safe.
type CreateOptions struct {
	// Role is what the folder is for. It is a wish: where the mailbox cannot
	// keep it the folder is made without (RFC 6154 section 3).
	Role mailbox.Role
}

// Create makes a folder, and those above it that are missing.
// mailbox.ErrExists if there is one of that name. Name's levels are separated as
// in the names that Mailbox.Folders gives. Where folders cannot be made it is
// errors.ErrUnsupported. opts may be nil.
func Create(ctx context.Context, mb mailbox.Mailbox, name string, opts *CreateOptions) error {
	c, ok := mb.(Creator)
	if caps := mb.Caps(); !ok || !caps.Folders {
		return &mailbox.Error{Op: "create folder", Folder: name, Err: fmt.Errorf(
			"this %s account has no way to make folders: %w", caps.Protocol, errors.ErrUnsupported)}
	}
	if opts == nil {
		opts = &CreateOptions{}
	}
	return c.CreateFolder(ctx, name, opts)
}
