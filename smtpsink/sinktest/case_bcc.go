package sinktest

import "github.com/postroom-go/postroom/smtpsink"

func bccCases() []testCase {
	return []testCase{
		{"bcc/absent", "Bcc fields do not arrive, however they are written, and nothing else is missing (RFC 5322 section 3.6.3).", "", bccAbsent},
		{"bcc/envelope", "Who is in a Bcc field and in the envelope gets the message; who is only in the field does not.", "", bccEnvelope},
		{"bcc/body", "What looks like a Bcc field below the header stays.", "", bccBody},
		{"bcc/keep", "With KeepBcc the fields stay.", "", bccKeep},
	}
}

func bccAbsent(t *tester) {
	const rest = "To: bob@example.net\r\nX-Bcc: stays\r\nSubject: Bcc: stays\r\n\r\ntext\r\n"
	for what, field := range map[string]string{
		"a Bcc field":                 "Bcc: eve@example.net\r\n",
		"one in lower case":           "bcc: eve@example.net\r\n",
		"one in upper case":           "BCC:eve@example.net\r\n",
		"one of several lines":        "Bcc: eve@example.net,\r\n\tdora@example.net,\r\n carl@example.net\r\n",
		"one with a space behind":     "Bcc : eve@example.net\r\n",
		"two of them":                 "Bcc: eve@example.net\r\nBcc: dora@example.net\r\n",
		"one of a message sent again": "Resent-Bcc: eve@example.net\r\n",
	} {
		t.okAs(what+" at the beginning", t.envelope(2), []byte(field+rest), []byte(rest), nil)
		const first = "From: ann@example.org\r\n"
		t.okAs(what+" in the middle", t.envelope(2), []byte(first+field+rest), []byte(first+rest), nil)
	}
	t.okAs("a Bcc field at the end", t.envelope(2), []byte("To: bob@example.net\r\nBcc: eve@example.net\r\n\r\ntext\r\n"),
		[]byte("To: bob@example.net\r\n\r\ntext\r\n"), nil)
	t.okAs("a Bcc field in lines that end in LF", t.envelope(2), []byte("To: bob@example.net\nBcc: eve@example.net,\n dora@example.net\nX: y\n\ntext\n"),
		[]byte("To: bob@example.net\r\nX: y\r\n\r\ntext\r\n"), nil)
}

func bccEnvelope(t *tester) {
	env := t.envelope(2)
	const head = "From: ann@example.org\r\n"
	raw := head + "To: " + env.To[0] + "\r\nBcc: " + env.To[1] + ", " + t.h.Recipients[2] + "\r\n\r\ntext\r\n"
	t.okAs("a message with a Bcc field", env, []byte(raw), []byte(head+"To: "+env.To[0]+"\r\n\r\ntext\r\n"), nil)
}

func bccBody(t *tester) {
	t.ok("a message with an inner one", t.envelope(1), []byte("Subject: inside\r\nContent-Type: message/rfc822\r\n\r\n"+
		"Bcc: eve@example.net\r\nSubject: inner\r\n\r\nBcc: eve@example.net\r\n"), nil)
}

func bccKeep(t *tester) {
	t.ok("a message with KeepBcc", t.envelope(1), []byte("Bcc: eve@example.net,\r\n dora@example.net\r\nTo: bob@example.net\r\n\r\ntext\r\n"),
		&smtpsink.SendOptions{KeepBcc: true})
}
