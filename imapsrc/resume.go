package imapsrc

import (
	"errors"

	"github.com/postroom-go/postroom/internal/spool"
)

// keepCut notes a body whose connection was lost after n octets. If it is known
// which message it is of, the rest is asked for later; else it is dropped, and
// the message asked for anew. Given is the UID of one that the loop has already.
func (w *worker) keepCut(got *row, given uint32, body *spool.Body[fetched], n, size int64) {
	if given == 0 {
		if got.uid == 0 || w.arrived(got.uid) == nil {
			drop(body)
			return
		}
		given = got.uid
		w.f.finishSummary(got)
		body.SetMeta(fetched{sum: got.sum})
		body.Ready()
	}
	w.came--
	w.cut = &cutBody{uid: given, off: n, size: size, body: body}
}

// resume fetches the rest of a body that was cut, on a fresh connection.
func (w *worker) resume(s *session) error {
	c := w.cut
	for c.off < c.size {
		q := query{off: c.off, n: min(c.size-c.off, lastWindow)}
		p, err := s.ask(c.uid, q, nil)
		if err != nil && s.broken() == nil {
			return w.endCut(err)
		}
		if err != nil {
			return err
		}
		if !p.found || p.len == 0 || p.len > q.n || p.spool != nil {
			if p.spool != nil {
				_ = p.spool.Close()
			}
			return w.endCut(errors.New("the rest of it is not there"))
		}
		if _, err := c.body.Write(p.data); err != nil {
			return errYield
		}
		c.off += p.len
		w.came++
	}
	return w.endCut(nil)
}

// endCut ends the body that was cut: nil if it is whole now.
func (w *worker) endCut(why error) error {
	c := w.cut
	w.cut = nil
	if why != nil {
		why = w.f.bodyError(c.uid, why)
	}
	c.body.CloseWithError(why)
	return nil
}

// resolveCut gives up on a body that was cut too often.
func (w *worker) resolveCut(why error) error {
	if w.cut == nil {
		return nil
	}
	if w.cut.tries++; w.cut.tries > maxTries {
		return w.endCut(why)
	}
	return nil
}

// returnAll gives what is under way back to the plan, after the connection was
// lost or given up. If blame is set the first message was being waited for: one
// that has broken the connection too often is passed on as unreadable.
func (w *worker) returnAll(blame bool) {
	for i := len(w.way) - 1; i >= 0; i-- {
		fl := w.way[i]
		blame := blame && i == 0 && w.cut == nil
		if blame && len(fl.missing) > 0 && w.f.plan.triesOf(fl.missing[0].uid) >= maxTries {
			_ = w.deliverFailed(fl.missing[0].uid, errors.New("it breaks the connection"))
			fl.missing = fl.missing[1:]
		}
		blamed := 0
		if blame {
			blamed = min(1, len(fl.missing))
		}
		w.f.plan.giveBack(append(fl.missing, fl.found...), blamed)
		w.release(fl.fetchWindow)
	}
	w.way = nil
}
