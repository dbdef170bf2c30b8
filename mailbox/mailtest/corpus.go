package mailtest

import "strings"

// Sample is a message of the [Corpus] with what a reader should make of it.
type Sample struct {
	// Name says what is special about it, in a word or two.
	Name string
	// Raw is the message, lines ending in CRLF.
	Raw []byte
	// Subject is the decoded subject, From the address of the first author.
	Subject, From string
	// Text is the decoded text that a person reads, as UTF-8 with CRLF, without
	// the line break at its end; "" if there is none.
	Text string
	// Attachments are the decoded file names of the attachments, in order.
	Attachments []string
	// Broken means that something in it is not as the RFCs have it.
	Broken bool
}

// Corpus is a set of small messages as they come in real life: plain and
// nested, in several charsets, and broken in the usual ways. Each call makes a
// new one.
func Corpus() []Sample {
	all := append(goodSamples(), brokenSamples()...)
	for i := range all {
		all[i].Text = strings.ReplaceAll(all[i].Text, "\n", "\r\n")
	}
	return all
}

// message is raw with CRLF.
func message(raw string) []byte {
	return []byte(strings.ReplaceAll(strings.TrimPrefix(raw, "\n"), "\n", "\r\n"))
}

func goodSamples() []Sample {
	return []Sample{
		{Name: "plain", Subject: "Lunch on Friday?", From: "bob@example.org", Text: "Same place, at noon?\n\nBob", Raw: message(`
Return-Path: <bob@example.org>
Received: from mx.example.org by mail.example.org; Fri, 05 Jan 2024 09:10:12 +0100
From: Bob Builder <bob@example.org>
To: Ann Example <ann@example.org>, carol@example.net
Cc: "Dan, the Man" <dan@example.com>
Subject: Lunch on Friday?
Date: Fri, 05 Jan 2024 09:10:11 +0100
Message-ID: <20240105.1@example.org>

Same place, at noon?

Bob
`)},
		{Name: "reply, quoted-printable", Subject: "Re: Größe der Tür", From: "jürgen@example.de", Text: "Ja, 2 m × 1 m.\nSchöne Grüße", Raw: message(`
From: =?utf-8?q?J=C3=BCrgen?= <jürgen@example.de>
To: ann@example.org
Subject: Re: =?utf-8?q?Gr=C3=B6=C3=9Fe?= =?utf-8?q?_der_T=C3=BCr?=
Date: Tue, 6 Feb 2024 20:00:00 +0100 (CET)
Message-ID: <r2@example.de>
In-Reply-To: <r1@example.org>
References: <r0@example.org> <r1@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Ja, 2 m =C3=97 1=
 m.
Sch=C3=B6ne Gr=C3=BC=C3=9Fe
`)},
		{Name: "alternative", Subject: "Your order has been shipped", From: "shop@example.com", Text: "Your order is on its way.", Raw: message(`
From: "Shop" <shop@example.com>
Reply-To: help@example.com
To: undisclosed-recipients:;
Subject: Your order has
 been shipped
Date: Wed, 13 Mar 2024 01:02:03 GMT
Message-ID: <order-1@example.com>
MIME-Version: 1.0
Content-Type: multipart/alternative;
	boundary="----=_alt"

This is a multi-part message in MIME format.
------=_alt
Content-Type: text/plain; charset=us-ascii

Your order is on its way.
------=_alt
Content-Type: text/html; charset=us-ascii
Content-Transfer-Encoding: base64

PHA+WW91ciBvcmRlciBpcyBvbiBpdHMgd2F5LjwvcD4=
------=_alt--
`)},
		{Name: "attachments", Subject: "Minutes", From: "bob@example.org", Text: "See attached.", Attachments: []string{"minutes.txt", "chart.png"}, Raw: message(`
From: bob@example.org
To: ann@example.org
Subject: Minutes
Date: Thu, 14 Mar 2024 10:00:00 -0500
Message-ID: <m1@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=mix

--mix
Content-Type: text/plain

See attached.
--mix
Content-Type: text/plain; name="minutes.txt"
Content-Disposition: attachment; filename="minutes.txt"; size=6

notes
--mix
Content-Type: image/png
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename=chart.png

iVBORw0KGgo=
--mix--
`)},
		{Name: "newsletter with inline image", Subject: "News ☃", From: "news@example.net", Text: "Read this in HTML.", Attachments: []string{"terms.pdf"}, Raw: message(`
From: News <news@example.net>
To: ann@example.org
Subject: =?UTF-8?B?TmV3cyDimIM=?=
Date: Fri, 15 Mar 2024 08:00:00 +0000
List-Unsubscribe: <https://example.net/u>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

--outer
Content-Type: multipart/related; boundary="rel"; type="multipart/alternative"

--rel
Content-Type: multipart/alternative; boundary="alt"

--alt
Content-Type: text/plain; charset=utf-8

Read this in HTML.
--alt
Content-Type: text/html; charset=utf-8

<p>News <img src="cid:logo@example.net"></p>
--alt--
--rel
Content-Type: image/gif; name="logo.gif"
Content-ID: <logo@example.net>
Content-Disposition: inline; filename="logo.gif"
Content-Transfer-Encoding: base64

R0lGODlhAQABAAAAACw=
--rel--
--outer
Content-Type: application/pdf
Content-Disposition: attachment; filename="terms.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--outer--
`)},
		{Name: "forwarded message", Subject: "Fwd: Hello", From: "ann@example.org", Text: "FYI", Attachments: []string{""}, Raw: message(`
From: ann@example.org
To: bob@example.org
Subject: Fwd: Hello
Date: Sat, 16 Mar 2024 12:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=f

--f
Content-Type: text/plain

FYI
--f
Content-Type: message/rfc822
Content-Disposition: attachment

From: carol@example.net
To: ann@example.org
Subject: Hello
Date: Fri, 15 Mar 2024 12:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=inner

--inner
Content-Type: text/plain

Inner text.
--inner
Content-Type: application/octet-stream; name=deep.bin

xyz
--inner--

--f--
`)},
		{Name: "RFC 2231 names", Subject: "Files", From: "bob@example.org", Text: "Two files.", Attachments: []string{"résumé 2024.pdf", "Bericht über Öl.txt"}, Raw: message(`
From: bob@example.org
To: ann@example.org
Subject: Files
Date: Sun, 17 Mar 2024 12:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b2231

--b2231
Content-Type: text/plain

Two files.
--b2231
Content-Type: application/pdf
Content-Disposition: attachment; filename*0*=utf-8''r%C3%A9sum;
 filename*1*=%C3%A9%20; filename*2="2024.pdf"
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--b2231
Content-Type: text/plain; name="=?iso-8859-1?q?Bericht_=FCber_=D6l=2Etxt?="
Content-Disposition: attachment; filename="=?iso-8859-1?q?Bericht_=FCber_=D6l=2Etxt?="

x
--b2231--
`)},
		{Name: "Japanese", Subject: "会議のお知らせ", From: "sato@example.jp", Text: "こんにちは", Raw: message("\n" +
			"From: =?ISO-2022-JP?B?GyRCOjRGIxsoQg==?= <sato@example.jp>\n" +
			"To: ann@example.org\n" +
			"Subject: =?ISO-2022-JP?B?GyRCMnE1RCROJCpDTiRpJDsbKEI=?=\n" +
			"Date: Mon, 18 Mar 2024 18:00:00 +0900\n" +
			"MIME-Version: 1.0\n" +
			"Content-Type: text/plain; charset=ISO-2022-JP\n" +
			"Content-Transfer-Encoding: 7bit\n\n" +
			"\x1b$B$3$s$K$A$O\x1b(B\n")},
		{Name: "delivery report", Subject: "Undelivered Mail Returned to Sender", From: "MAILER-DAEMON@example.org", Text: "nobody@example.com: no such user", Attachments: []string{"", ""}, Raw: message(`
Return-Path: <>
From: MAILER-DAEMON@example.org (Mail Delivery System)
To: ann@example.org
Subject: Undelivered Mail Returned to Sender
Date: Tue, 19 Mar 2024 00:00:00 +0000
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="dsn"

--dsn
Content-Type: text/plain; charset=us-ascii

nobody@example.com: no such user
--dsn
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.org

Final-Recipient: rfc822; nobody@example.com
Action: failed
Status: 5.1.1
--dsn
Content-Type: message/rfc822

From: ann@example.org
To: nobody@example.com
Subject: Anybody?

Hello?
--dsn--
`)},
		{Name: "empty body", Subject: "EOM", From: "bob@example.org", Raw: message("From: bob@example.org\nTo: ann@example.org\nSubject: EOM\nDate: Wed, 20 Mar 2024 00:00:00 +0000\n\n")},
		{Name: "dots", Subject: "Dots", From: "bob@example.org", Text: ".\n..\n...\n.end", Raw: message("From: bob@example.org\nSubject: Dots\nDate: Wed, 20 Mar 2024 00:00:00 +0000\n\n.\n..\n...\n.end\n")},
	}
}
