package imapsrc

import (
	"io"
	"slices"

	"github.com/postroom-go/postroom/internal/imapwire"
	"github.com/postroom-go/postroom/internal/spool"
	"github.com/postroom-go/postroom/mailbox"
)

// arrived takes a message off what is missing; it gives the window, nil if the
// message was not asked for or has come already.
func (w *worker) arrived(uid uint32) *inFlight {
	for _, fl := range w.way {
		if i := slices.IndexFunc(fl.missing, func(m sizedUID) bool { return m.uid == uid }); i >= 0 {
			if i == 0 { // they come in order nearly always
				fl.missing = fl.missing[1:]
			} else {
				fl.missing = slices.Delete(fl.missing, i, i+1)
			}
			w.came++
			return fl
		}
	}
	return nil
}

// take takes in one FETCH response. The body goes to the queue as it comes, even
// if the UID stands behind it.
func (w *worker) take(r *imapwire.Response) error {
	got := row{sum: &mailbox.Summary{}}
	var body *spool.Body[fetched]
	given := uint32(0) // the message's UID, if the loop has it already
	for {
		it, err := r.Item()
		if err == io.EOF {
			break
		}
		if malformed(err) {
			got.bad = true
			break
		}
		if err != nil {
			if given == 0 {
				drop(body) // whole, but it is not known of which message
			}
			return err
		}
		if it.Name == "BODY[]" && it.Section == "" && it.Partial < 0 && it.Body != nil && body == nil {
			size := it.Body.Size()
			if body, err = w.q.BeginPending(fetched{}, size); err != nil {
				return errYield
			}
			if size > largeMessage && w.give(&got, body) {
				given, got = got.uid, row{sum: &mailbox.Summary{}} // what follows is for nobody
			}
			n, err := body.ReadFrom(it.Body)
			if err != nil {
				w.keepCut(&got, given, body, n, size)
				return err
			}
			body.CloseWithError(nil)
			continue
		}
		if err := got.item(it, w.f.fields|mailbox.FieldSize); err != nil {
			if given == 0 {
				drop(body)
			}
			return err
		}
	}
	if given != 0 {
		return nil
	}
	return w.deliver(&got, body)
}

// give lets the loop have a message as it comes, which is larger than it was
// said to be: whole it would have to lie on the disk. That needs all that is to
// be told about it ahead of the body.
func (w *worker) give(got *row, body *spool.Body[fetched]) bool {
	if got.uid == 0 || !got.sum.Fields.Has(w.f.fields) || w.arrived(got.uid) == nil {
		return false
	}
	w.f.finishSummary(got)
	body.SetMeta(fetched{sum: got.sum})
	body.Ready()
	return true
}

// deliver makes a body ready for the loop, or drops it.
func (w *worker) deliver(got *row, body *spool.Body[fetched]) error {
	fl := (*inFlight)(nil)
	if got.uid != 0 && (body != nil || w.needsNoBody(got.uid)) {
		fl = w.arrived(got.uid)
	}
	switch {
	case fl == nil:
		drop(body)
		return nil
	case fl.check && body == nil:
		fl.found = append(fl.found, sizedUID{uid: got.uid, size: got.sum.Size})
		return nil
	}
	w.f.finishSummary(got)
	if body == nil {
		return w.emit(fetched{sum: got.sum, large: true}, nil)
	}
	body.SetMeta(fetched{sum: got.sum})
	body.Ready()
	return nil
}

// drop keeps a body from the loop.
func drop(body *spool.Body[fetched]) {
	if body != nil {
		body.SetMeta(fetched{drop: true})
		body.CloseWithError(io.ErrUnexpectedEOF)
		body.Ready()
	}
}

// needsNoBody reports whether an answer without a body is about what was asked
// for: a large message, or one that may be gone.
func (w *worker) needsNoBody(uid uint32) bool {
	for _, fl := range w.way {
		if fl.large && fl.msgs[0].uid == uid ||
			fl.check && slices.ContainsFunc(fl.missing, func(m sizedUID) bool { return m.uid == uid }) {
			return true
		}
	}
	return false
}

// emit passes on a message without octets; err is what reading it gives.
func (w *worker) emit(m fetched, err error) error {
	b, qerr := w.q.Begin(m, 0)
	if qerr != nil {
		return errYield
	}
	b.CloseWithError(err)
	return nil
}

// deliverFailed passes on a message that the server cannot give.
func (w *worker) deliverFailed(uid uint32, why error) error {
	return w.emit(fetched{sum: &mailbox.Summary{ID: w.f.ids.id(uid)}}, w.f.bodyError(uid, why))
}
