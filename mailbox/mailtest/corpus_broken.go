package mailtest

func brokenSamples() []Sample {
	return []Sample{
		{Name: "8-bit header", Broken: true, Subject: "Caf\u00e9 et th\u00e9", From: "rene@example.fr", Text: "Bonjour", Raw: message("\n" +
			"From: Ren\xe9 <rene@example.fr>\n" +
			"To: ann@example.org\n" +
			"Subject: Caf\xe9 et th\xe9\n" +
			"Date: Thu, 21 Mar 2024 00:00:00 +0100\n\n" +
			"Bonjour\n")},
		{Name: "final boundary missing", Broken: true, Subject: "Cut", From: "bob@example.org", Text: "The rest is missing.", Attachments: []string{"half.bin"}, Raw: message(`
From: bob@example.org
To: ann@example.org
Subject: Cut
Date: Fri, 22 Mar 2024 00:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=cut

--cut
Content-Type: text/plain

The rest is missing.
--cut
Content-Type: application/octet-stream
Content-Disposition: attachment; filename=half.bin
Content-Transfer-Encoding: base64

aGFsZiBvZiBpdCBpcyBnb2
`)},
		{Name: "bad date and addresses", Broken: true, Subject: "Spam? No!", From: "", Text: "Hi", Raw: message(`
From: <<no address at all>>
To: ann at example dot org
Subject: Spam? No!
Date: yesterday, around noon
X-Broken
Message-ID: none

Hi
`)},
		{Name: "no header", Broken: true, Text: "This was never mail.", Raw: message("\n\nThis was never mail.\n")},
		{Name: "empty multipart", Broken: true, Subject: "Nothing inside", From: "bob@example.org", Raw: message(`
From: bob@example.org
Subject: Nothing inside
Date: Sat, 23 Mar 2024 00:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=none

--none--
`)},
	}
}
