package sent

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
)

// provider is one who files the copy of what goes through his SMTP servers.
type provider struct {
	name string
	// smtp and imap are the hosts. A message that went through others, or a
	// mailbox that is elsewhere, has nothing to do with him.
	smtp, imap []string
	// sure says that he always does. Of the others it is said, or their users
	// can set it: a copy that does not appear is added.
	sure bool
}

// providers is the table.
var providers = []provider{
	// "Don't save sent messages on the server. Sent messages are automatically
	// copied to the Gmail/Sent folder if your email client uses SMTP."
	// https://support.google.com/mail/answer/78892 (Workspace uses the same hosts;
	// smtp-relay.gmail.com belongs to no mailbox.)
	{"Gmail", []string{"smtp.gmail.com", "smtp.googlemail.com"}, []string{"imap.gmail.com", "imap.googlemail.com"}, true},
	// Users' reports, https://github.com/chatmail/provider-db/issues/258 and
	// https://github.com/nextcloud/mail/issues/4831; emailengine's rule. A copy of
	// what is sent for a shared mailbox goes to the one who sends: Always is for
	// those.
	{"Outlook", []string{"smtp.office365.com", "smtp-mail.outlook.com", "smtp.outlook.com", "smtp.live.com", "outlook.office365.com"},
		[]string{"outlook.office365.com", "imap-mail.outlook.com", "outlook.com", "outlook.office.com"}, true},
	// Reports differ: https://github.com/kellylford/QuickMail/issues/150 has two
	// copies, https://github.com/s-morgan-jeffries/apple-mail-fast-mcp/issues/406
	// none.
	{"iCloud", []string{"smtp.mail.me.com"}, []string{"imap.mail.me.com"}, false},
	// A setting of the account: https://github.com/nylas/sync-engine/issues/365.
	{"Zoho", []string{"smtp.zoho.com", "smtppro.zoho.com", "smtp.zoho.eu", "smtppro.zoho.eu"},
		[]string{"imap.zoho.com", "imappro.zoho.com", "imap.zoho.eu", "imappro.zoho.eu"}, false},
	// A report: https://github.com/LukeSmithxyz/mutt-wizard/issues/226.
	{"Fastmail", []string{"smtp.fastmail.com", "smtp.messagingengine.com"}, []string{"imap.fastmail.com", "imap.messagingengine.com"}, false},
}

// providerOf finds who files the copy in mb of what was sent through server; nil
// if that is nobody. What goes out by another account of the same provider is filed
// in that one: unless one login is the other's alias nothing will appear in mb.
func providerOf(mb mailbox.Mailbox, server string) *provider {
	scheme, host := account(mb)
	other := !sameLogin(login(server), login(accountOf(mb)))
	if scheme != "" && scheme != "imap" {
		return nil // no provider files anything on this disk
	}
	server = hostname(server)
	if server == "" && host == "" {
		return nil
	}
	for i := range providers {
		p := &providers[i]
		if (server == "" || slices.Contains(p.smtp, server)) && (host == "" || slices.Contains(p.imap, host)) {
			by := *p
			by.sure = by.sure && !other
			return &by
		}
	}
	return nil
}

// accountOf is what a driver's Account says; empty if it has none.
func accountOf(x any) string {
	if a, ok := x.(interface{ Account() string }); ok {
		return a.Account()
	}
	return ""
}

// login is the user of "scheme://user@host"; empty if there is none.
func login(account string) string {
	u, err := url.Parse(account)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.User.Username())
}

// sameLogin reports whether two logins may be the same account's. Some hosts take
// them with their domain and without.
func sameLogin(a, b string) bool {
	if a == "" || b == "" || a == b {
		return true
	}
	local, domain, _ := strings.Cut(a, "@")
	local2, domain2, _ := strings.Cut(b, "@")
	return local == local2 && (domain == "" || domain2 == "")
}

// account is where a driver's Account says that it is; empty if it has none.
func account(x any) (scheme, host string) {
	u, err := url.Parse(accountOf(x))
	if err != nil {
		return "", ""
	}
	return strings.ToLower(u.Scheme), hostname(u.Hostname())
}

// hostname is the host of "host", "host:port" or "scheme://user@host", in lower
// case.
func hostname(addr string) string {
	if u, err := url.Parse(addr); err == nil && u.Host != "" {
		addr = u.Host
	}
	if host, _, err := net.SplitHostPort(addr); err == nil {
		addr = host
	}
	return strings.TrimSuffix(strings.ToLower(addr), ".")
}

// Outlook writes a Message-ID of its own and tells it in its answer to the
// message, "2.0.0 OK <...prod.outlook.com> [Hostname=...]"; emailengine goes by
// it, too. Amazon's SES tells the left half: "Ok 0100...-000000" (SES Developer
// Guide, "SMTP responses"). Another server that names such an ID is not believed: it
// could name that of any message, which would then pass for the copy.
var (
	outlookHost = regexp.MustCompile(`\.(?:outlook|office365|office|live|hotmail)\.com$`)
	outlookID   = regexp.MustCompile(`<([^<>@\s]+@[^<>@\s]+\.prod\.outlook\.com)>`)
	sesID       = regexp.MustCompile(`^(?:[Oo][Kk] )?([0-9a-f]{16}-[0-9a-f-]{36}-[0-9]{6})$`)
	sesHost     = regexp.MustCompile(`^email-smtp(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com$`)
)

// rewritten is the Message-ID that the server has written instead of the
// message's own; empty if it did not say so.
func rewritten(receipt *smtpsink.Receipt, server string) string {
	if receipt == nil || receipt.Reply == nil || receipt.Reply.Code >= 400 {
		return ""
	}
	text, host := strings.TrimSpace(receipt.Reply.Text), hostname(server)
	if m := outlookID.FindStringSubmatch(text); m != nil && (host == "" || outlookHost.MatchString(host)) {
		return m[1]
	}
	region, id := sesHost.FindStringSubmatch(host), sesID.FindStringSubmatch(text)
	switch {
	case region == nil || id == nil:
		return ""
	case region[1] == "us-east-1":
		return id[1] + "@email.amazonses.com"
	}
	return id[1] + "@" + region[1] + ".amazonses.com"
}
