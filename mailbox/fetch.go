package mailbox

import (
	"context"
	"errors"
	"io"
	"iter"
)

// Fetcher is implemented by drivers that can move many messages in one stream.
// Users call Fetch.
type Fetcher interface {
	Fetch(ctx context.Context, ids []ID, opts *FetchOptions) iter.Seq2[*Message, error]
}

// FetchOptions are the options of Fetch. Nil and zero are safe.
type FetchOptions struct {
	// Fields says what each Message.Summary should hold; zero is flags, size
	// and the date of receipt, which cost nothing beside a body.
	Fields Fields
	// Sizes are the sizes of the messages as List told them, in the order of
	// the IDs; 0 is one that is not known. They save IMAP a round trip. Nil is
	// none. A size that is wrong costs time and nothing else.
	Sizes []int64
}

// Wanted gives the fields that o asks for; o may be nil. Drivers call it.
func (o *FetchOptions) Wanted() Fields {
	if o == nil || o.Fields == 0 {
		return FieldFlags | FieldSize | FieldReceived
	}
	return o.Fields.Resolve()
}

// Message is one message of a Fetch.
type Message struct {
	// Summary holds the ID and the fields asked for.
	*Summary
	// Body streams the message as it is stored. It is good until the loop goes
	// on; what was not read by then is discarded. It need not be closed.
	Body io.Reader
}

// Fetch streams whole messages: the fast path of every download. It yields
// those of ids that are still there, each once, in no promised order: a driver
// may answer in the folder's. A stale ID is ErrStale before anything moves. A
// body that was cut fails in Body.Read, and the loop goes on with the next if
// it can. Any method may be called inside the loop. opts may be nil.
func Fetch(ctx context.Context, mb Mailbox, ids []ID, opts *FetchOptions) iter.Seq2[*Message, error] {
	if opts == nil {
		opts = &FetchOptions{}
	}
	if f, ok := mb.(Fetcher); ok {
		return f.Fetch(ctx, ids, opts)
	}
	return func(yield func(*Message, error) bool) {
		fields := opts.Wanted() | FieldsNone // zero would mean something else to List
		folders := foldersOf(ids)
		if len(folders) > 1 {
			if err := checkFolders(ctx, mb, folders); err != nil {
				yield(nil, err)
				return
			}
		}
		for _, folder := range folders {
			if !fetchFolder(ctx, mb, folder, fields, yield) {
				return
			}
		}
	}
}

// checkFolders finds out that an ID is stale before anything moves: List says so
// ahead of its first message.
func checkFolders(ctx context.Context, mb Mailbox, folders []idsInFolder) error {
	for _, f := range folders {
		for _, err := range mb.List(ctx, f.name, &ListOptions{Fields: FieldsNone, IDs: f.ids}) {
			if err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// idsInFolder are the IDs of one folder.
type idsInFolder struct {
	name string
	ids  []ID
}

// foldersOf groups ids by folder, in the order of their first appearance, each
// ID once.
func foldersOf(ids []ID) []idsInFolder {
	var all []idsInFolder
	at := map[string]int{}
	seen := map[ID]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		i, ok := at[id.folder]
		if !ok {
			i = len(all)
			at[id.folder] = i
			all = append(all, idsInFolder{name: id.folder})
		}
		all[i].ids = append(all[i].ids, id)
	}
	return all
}

// fetchFolder is Fetch by List and Open, for drivers without a fast path.
func fetchFolder(ctx context.Context, mb Mailbox, f idsInFolder, fields Fields, yield func(*Message, error) bool) bool {
	for s, err := range mb.List(ctx, f.name, &ListOptions{Fields: fields, IDs: f.ids}) {
		if err != nil {
			yield(nil, err)
			return false
		}
		body, err := mb.Open(ctx, s.ID, nil)
		switch {
		case errors.Is(err, ErrNotFound):
			continue
		case err != nil:
			yield(nil, err)
			return false
		}
		if !yieldBody(s, body, yield) {
			return false
		}
	}
	return true
}

// yieldBody closes body, whatever the loop does.
func yieldBody(s *Summary, body io.ReadCloser, yield func(*Message, error) bool) bool {
	defer body.Close()
	return yield(&Message{Summary: s, Body: body}, nil)
}
