package mailboxtest

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/folders"
)

// eachCreate lets alter do what CreateFolder should, where that would be done.
func eachCreate(d *driver, alter func(create createFunc, ctx context.Context, name string, opts *folders.CreateOptions) error) {
	create := d.create
	d.create = func(ctx context.Context, name string, opts *folders.CreateOptions) error {
		if ctx.Err() != nil || errors.Is(first(d.mem.Folders(ctx, nil)), mailbox.ErrClosed) {
			return create(ctx, name, opts)
		}
		return alter(create, ctx, name, opts)
	}
}

func brokenCreates() []broken {
	made := []string{"create/folder", "create/used", "create/exists", "create/parents", "create/role"}
	return []broken{
		{name: "CreateFolder does nothing", fails: made, alter: func(d *driver) {
			eachCreate(d, func(createFunc, context.Context, string, *folders.CreateOptions) error { return nil })
		}},
		{name: "a new folder ends with its session", fails: []string{"create/used"}, alter: func(d *driver) {
			made := map[string]bool{}
			eachCreate(d, func(create createFunc, ctx context.Context, name string, opts *folders.CreateOptions) error {
				made[name] = true
				return create(ctx, name, opts)
			})
			end := d.end
			d.end = func() error {
				for name := range made {
					_ = d.acc.store.DeleteFolder(name)
				}
				return end()
			}
		}},
		{name: "a new folder is not listed by others", fails: []string{"create/folder"}, alter: func(d *driver) {
			folders, later := d.folders, d.acc.sessions.Load() > 1
			d.folders = func(ctx context.Context, opts *mailbox.FoldersOptions) iter.Seq2[*mailbox.Folder, error] {
				return func(yield func(*mailbox.Folder, error) bool) {
					for f, err := range folders(ctx, opts) {
						if f != nil && later && slices.Contains(folderNames(), f.Name) {
							continue
						}
						if !yield(f, err) {
							return
						}
					}
				}
			}
		}},
		{name: "a new folder takes no messages", fails: []string{"create/used", "create/exists"}, alter: func(d *driver) {
			made := map[string]bool{}
			eachCreate(d, func(create createFunc, ctx context.Context, name string, opts *folders.CreateOptions) error {
				made[name] = true
				return create(ctx, name, opts)
			})
			add := d.add
			d.add = func(ctx context.Context, folder string, message io.Reader, opts *mailbox.AppendOptions) (mailbox.ID, error) {
				if made[folder] && folder != "" && !strings.EqualFold(folder, mailbox.Inbox) {
					return mailbox.ID{}, errBroken
				}
				return add(ctx, folder, message, opts)
			}
		}},
		{name: "a folder that is there is made", fails: []string{"create/exists", "create/parents"}, alter: func(d *driver) {
			eachCreate(d, func(create createFunc, ctx context.Context, name string, opts *folders.CreateOptions) error {
				if err := create(ctx, name, opts); !errors.Is(err, mailbox.ErrExists) {
					return err
				}
				return nil
			})
		}},
		{name: "a folder that is there is made anew", fails: []string{"create/exists"}, alter: func(d *driver) {
			eachCreate(d, func(create createFunc, ctx context.Context, name string, opts *folders.CreateOptions) error {
				err := create(ctx, name, opts)
				if name == "Twice" && errors.Is(err, mailbox.ErrExists) {
					_ = d.acc.store.DeleteFolder(name)
					_ = create(ctx, name, opts)
				}
				return err
			})
		}},
		{name: "folders above are not made", fails: []string{"create/parents"}, alter: func(d *driver) {
			eachCreate(d, func(_ createFunc, _ context.Context, name string, opts *folders.CreateOptions) error {
				return d.acc.store.CreateFolder(name, opts.Role)
			})
		}},
		{name: "a role that cannot be kept is an error", fails: []string{"create/role"}, alter: func(d *driver) {
			eachCreate(d, func(create createFunc, ctx context.Context, name string, opts *folders.CreateOptions) error {
				if opts.Role == "fish" {
					return errBroken
				}
				return create(ctx, name, opts)
			})
		}},
		{name: "every new folder is for drafts", fails: []string{"create/role"}, alter: func(d *driver) {
			eachCreate(d, func(create createFunc, ctx context.Context, name string, _ *folders.CreateOptions) error {
				return create(ctx, name, &folders.CreateOptions{Role: mailbox.RoleDrafts})
			})
		}},
		{name: "folders are made where there are none", caps: without("folders"), fails: []string{"create/unsupported"}, alter: func(d *driver) {
			d.create = func(context.Context, string, *folders.CreateOptions) error { return nil }
		}},
		{name: "the state is another each time", fails: []string{"folders/state"}, alter: func(d *driver) {
			var n atomic.Int64
			eachStatus(d, func(st *mailbox.FolderStatus) { st.State += "." + strconv.FormatInt(n.Add(1), 10) })
		}},
		{name: "the state counts messages", fails: []string{"folders/state"}, alter: func(d *driver) {
			eachStatus(d, func(st *mailbox.FolderStatus) { st.State = strconv.FormatInt(st.Messages, 10) })
		}},
		{name: "the state is the epoch", fails: []string{"folders/state"}, alter: func(d *driver) {
			eachStatus(d, func(st *mailbox.FolderStatus) { st.State = st.Epoch })
		}},
		{name: "the state is the session's", fails: []string{"folders/state"}, alter: func(d *driver) {
			session := strconv.FormatInt(d.acc.sessions.Load(), 10)
			eachStatus(d, func(st *mailbox.FolderStatus) { st.State += "." + session })
		}},
	}
}
