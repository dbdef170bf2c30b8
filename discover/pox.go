package discover

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/postroom-go/postroom/mailbox/access"
)

// pox is what an autodiscover response says (MS-OXDSCLI, in its form of plain
// old XML).
type pox struct {
	servers         []Server // User is as it stands there
	redirectURL     string
	redirectAddress string
	exchange        bool // it names Exchange alone
	insecure        int
	hours           int // for how long it may be kept; 0 if it does not say
}

// poxRequest asks for the settings of an address. It holds no secret.
func poxRequest(address string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>` +
		`<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>`)
	_ = xml.EscapeText(&b, []byte(address))
	b.WriteString(`</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`)
	return b.String()
}

// parsePOX reads a response.
func parsePOX(doc []byte, s *settings) (*pox, error) {
	root, err := parseXML(doc, s.lim.depth)
	if err != nil {
		return nil, err
	}
	if root.name != "Autodiscover" {
		return nil, fmt.Errorf("%w: its root is <%.40s>", errDocument, root.name)
	}
	response := root.first("Response")
	if response == nil {
		return nil, fmt.Errorf("%w: it has no Response", errDocument)
	}
	account := response.first("Account")
	if account == nil {
		return nil, fmt.Errorf("%w: it names no account", errDocument)
	}
	p := &pox{}
	switch strings.ToLower(account.value("Action")) {
	case "redirecturl":
		p.redirectURL = account.value("RedirectUrl")
		return p, nil
	case "redirectaddr":
		p.redirectAddress = account.value("RedirectAddr")
		return p, nil
	}
	for _, e := range account.kids {
		if e.name != "Protocol" {
			continue
		}
		p.protocol(e, s)
	}
	return p, nil
}

func (p *pox) protocol(e *element, set *settings) {
	var s Server
	switch strings.ToUpper(e.value("Type")) {
	case "IMAP":
		s.Protocol = IMAP
	case "POP3":
		s.Protocol = POP3
	case "SMTP":
		s.Protocol = SMTP
	case "EXCH", "EXPR", "EXHTTP", "WEB":
		p.exchange = true
		return
	default:
		return
	}
	var err error
	if s.Host, err = serverName(e.value("Server")); err != nil {
		return
	}
	if hours, err := strconv.Atoi(e.value("TTL")); err == nil && hours > 0 && hours <= 7*24 {
		p.hours = hours
	}
	if s.Port, s.TLS, err = poxPort(s.Protocol, e); err != nil {
		return
	}
	if s.TLS == access.TLSNone && !set.AllowPlaintext {
		p.insecure++
		return
	}
	if user := e.value("LoginName"); printable(user) && !strings.Contains(user, "%") {
		s.User = user
	}
	s.Auth = []string{"password"}
	if len(p.servers) < set.lim.servers {
		p.servers = append(p.servers, s)
	}
}

// poxPort reads Port, SSL and Encryption. SSL is on if nothing is said; that
// means TLS from the first octet where that is the port's way, else STARTTLS.
func poxPort(p Protocol, e *element) (port int, mode access.TLSMode, err error) {
	implicit := map[Protocol]int{IMAP: 993, POP3: 995, SMTP: 465}[p]
	start := map[Protocol]int{IMAP: 143, POP3: 110, SMTP: 587}[p]
	port = implicit
	if text := e.value("Port"); text != "" {
		if port, err = strconv.Atoi(text); err != nil || port < 1 || port > 65535 || port == 25 {
			return 0, 0, fmt.Errorf("%w: port %.20q", errDocument, text)
		}
	}
	mode = access.TLSImplicit
	if port == start {
		mode = access.TLSStart
	}
	switch enc := strings.ToUpper(e.value("Encryption")); {
	case enc == "SSL":
		mode = access.TLSImplicit
	case enc == "TLS":
		mode = access.TLSStart
	case enc == "NONE", enc == "" && strings.EqualFold(e.value("SSL"), "off"):
		mode = access.TLSNone
	}
	return port, mode, nil
}
