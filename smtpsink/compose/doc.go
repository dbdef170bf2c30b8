// Package compose makes messages: RFC 5322 and MIME, ready for smtpsink.
//
//	m := &compose.Message{
//		From:    []mail.Address{{Name: "Ann", Address: "ann@example.org"}},
//		To:      []mail.Address{{Name: "Böb", Address: "bob@example.com"}},
//		Subject: "Zahlen für März",
//		Text:    "See the table.\n",
//		Attachments: []compose.Attachment{compose.FileAttachment(os.DirFS("reports"), "march.csv")},
//	}
//	p, err := m.Prepare(ctx)
//	...
//	defer p.Close()
//	body, err := p.Open(ctx)
//	...
//	defer body.Close()
//	receipt, err := sink.Send(ctx, p.Envelope(), body, nil)
//
// Prepare checks everything and fixes what is made up: Message-ID, Date and
// boundaries. After it the same octets can be read as often as they are needed:
// to be sent, and to be filed with Prepared.OpenCopy, which has the Bcc that is
// never in what is sent.
//
// # What goes out
//
// Attachments are streamed; memory does not grow with them. Header fields are
// folded at 78 columns, encoded lines have at most 76, no line has more than
// 998. Every octet is ASCII, but for addresses whose local part is not
// (Prepared.NeedsUTF8) and attached messages that hold 8-bit text
// (Prepared.Needs8Bit). Names and subjects are RFC 2047 words, file names RFC
// 2231 parameters, domains A-labels (RFC 5890).
//
// Text has the smallest encoding that is enough: 7bit, quoted-printable or
// base64. Attachments are base64, but for text in memory that survives less.
//
// # What does not go out
//
// No value can add a field, an address or a part. A control character in a value
// is an error that names the field; in a file's name it is dropped, in text it is
// encoded. An address is parsed once and written anew, the same in the envelope
// and in the header, quoted where it must be. What looks like an encoded word and
// is none is encoded, so that readers see what was meant.
//
// Reply and Forward make a message out of one in a mailbox, which anybody may
// have written: what they take from it is bounded, and what could not be sent
// is left out or cleaned.
//
// HTML of the original is written anew, within elements of its own: tags that
// format, and text, and nothing that runs or hides what stands above it. Style sheets
// are left out, styles of single elements stay. Remote pictures and links stay as
// well, and whoever shows such HTML treats it as that of any message.
//
// Header fields are written here and not by go-message, which finds a CR or LF
// in a value only after other fields went out, lets NUL and ESC pass, puts a
// space into long words when it folds, and writes file names as RFC 2047 words.
package compose
