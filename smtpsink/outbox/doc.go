// Package outbox is a directory of mail that is to be sent, for programs that must
// neither lose a message over a crash nor send it twice.
//
//	box, err := outbox.Open("/var/spool/shop", nil)
//	...
//	id, err := box.Enqueue(ctx, &smtpsink.Envelope{
//		From: "shop@example.org", To: []string{"bob@example.com"},
//	}, message, &outbox.EnqueueOptions{Key: "invoice 4711"})
//
// When Enqueue has returned nil the message is on the disk. [Outbox.Run] sends it
// by a [smtpsink.Sender], now or, if the server cannot be reached or refuses it for
// now, later and later again, for five days (RFC 5321 section 4.5.4.1).
//
// # Exactly once, or a question
//
// Between handing a message over and reading the answer nobody can know what
// became of it (RFC 1047). So before the last octets of a message leave, the
// journal says so and is waited for. If the program dies before that, the server
// cannot have taken the message, and it is sent again. If it dies after that, or
// the answer is lost, the message is [Unknown]: it is not sent again by itself but
// held for [Outbox.Decide], unless [RunOptions] have it looked for, or sent once
// more at the risk of two copies.
//
// For each recipient it is known what became of the message. One that was accepted
// is never tried again, whatever becomes of the others.
//
// What was sent is sent: the copy that [RunOptions].Sent files is tried again by
// itself, never by sending again. What was refused for good, or was not sent in its
// time, is [Dead], with the reason, until [Outbox.Retry] or [Outbox.Remove].
//
// Package sent files copies:
//
//	opts := &outbox.RunOptions{
//		Sent: func(ctx context.Context, e *outbox.Entry, _ *smtpsink.Receipt) error {
//			message, err := sent.Raw(&e.Envelope, e.Open)
//			if err == nil {
//				_, err = sent.File(ctx, mb, message, nil)
//			}
//			return err
//		},
//	}
//
// # The directory
//
// One process at a time works on an outbox; any number of others may enqueue with
// [OpenSpool]. Each message is a file in the directory queue, made whole under
// another name, waited for, and then given its name. What has happened since is in
// the journal. All is readable by its owner alone (0600, 0700). Besides the messages,
// envelopes and options, the servers' answers and digests of keys, nothing is
// stored. A file that was damaged since is noticed before its message is sent whole,
// and is Dead.
//
// The directory must be on a local file system that keeps what was synced. Where
// the disk has damaged the journal, or somebody has removed it, messages are not
// sent again by what it has forgotten: all that may have been sent since is Unknown,
// and [Outbox.Doubt] says so. What a crash leaves of the journal's end is no damage.
// A disk that cuts files, or makes zeros of what was written last, is not found out.
package outbox
