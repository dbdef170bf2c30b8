package transfer

import (
	"slices"

	"github.com/postroom-go/postroom/mailbox"
)

// certain reports whether a message's ID names it and never another. A UIDL
// should (RFC 1939 section 7), and servers have given old ones to new messages.
func (r *run) certain(id mailbox.ID) bool {
	return id.Epoch() != "" || !r.src.Caps().Exclusive || r.opts.DryRun || r.opts.off.digest
}

// verify makes sure that what is to be deleted under a UIDL is what an earlier
// run has stored under it: by its Message-ID, for the price of a TOP command, and
// where there is none or it is another by reading the message once more, which is
// met with a digest then.
func (r *run) verify(p *plan) error {
	for part := range slices.Chunk(p.doubtful, removeChunk) {
		names, err := r.names(p.job.from.Name, part)
		if err != nil {
			return err
		}
		for _, it := range part {
			if e, _ := r.ledger.find(it.key); e.name != 0 && e.name == names[it.id] {
				p.remove.add(it.id, it.size)
				continue
			}
			it.again = true
			r.ledger.doubt(it.key)
			p.todo = append(p.todo, it)
		}
	}
	p.doubtful = nil
	return nil
}

// names asks the source for the Message-IDs of messages.
func (r *run) names(folder string, some []item) (map[mailbox.ID]uint64, error) {
	names := make(map[mailbox.ID]uint64, len(some))
	if !r.src.Caps().Envelopes {
		return names, nil
	}
	ids := make([]mailbox.ID, len(some))
	for i, it := range some {
		ids[i] = it.id
	}
	for s, err := range r.src.List(r.ctx, folder, &mailbox.ListOptions{IDs: ids, Fields: mailbox.FieldEnvelope}) {
		if err != nil {
			return nil, r.ofFolder(err)
		}
		if s.Envelope != nil {
			names[s.ID] = nameOf(s.Envelope.MessageID)
		}
	}
	return names, nil
}
