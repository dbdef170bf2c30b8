package mailtest

import (
	"io"
	"net"
)

// Mail puts a Host's servers at names of the Web: IMAP at the ports 993 and 143,
// POP3 at 995 and 110, SMTP at 465 and 587. A name may be empty, and then those
// are nowhere. The Host's certificate should be for the names: see
// WebCertificate and Options.Cert.
func (w *Web) Mail(h *Host, imap, pop3, smtp string) {
	for _, s := range []struct{ name, port, addr string }{
		{imap, "993", h.IMAPS}, {imap, "143", h.IMAP},
		{pop3, "995", h.POP3S}, {pop3, "110", h.POP3},
		{smtp, "465", h.SMTPS}, {smtp, "587", h.SMTP},
	} {
		if s.name != "" {
			w.listen(w.at(net.JoinHostPort(s.name, s.port)), relay(s.addr))
		}
	}
}

// relay connects whoever comes with addr.
func relay(addr string) listener {
	return func(client net.Conn) {
		server, err := net.Dial("tcp", addr)
		if err != nil {
			_ = client.Close()
			return
		}
		for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
			go func() {
				_, _ = io.Copy(way[0], way[1])
				_ = way[0].Close()
				_ = way[1].Close()
			}()
		}
	}
}
