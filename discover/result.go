package discover

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/postroom-go/postroom/mailbox/access"
)

// Protocol is what a server speaks.
type Protocol string

// The protocols. SMTP means message submission (RFC 6409), never port 25 between
// servers.
const (
	IMAP Protocol = "imap"
	POP3 Protocol = "pop3"
	SMTP Protocol = "smtp"
)

// Trust is how well a server's settings are vouched for.
type Trust string

// The degrees of trust.
const (
	// TrustHigh: the program, the provider table, the domain itself over
	// verified HTTPS, or a curated list says so.
	TrustHigh Trust = "high"
	// TrustMedium: DNS says so, which an attacker on the network could forge,
	// but not to lead anywhere unexpected.
	TrustMedium Trust = "medium"
	// TrustLow: it was guessed, or what says so could be anybody.
	TrustLow Trust = "low"
)

// Server is one way to reach one server of the account. It holds no secret and
// serialises to JSON, TLS as "implicit", "starttls" or "none".
type Server struct {
	// Protocol is what it speaks.
	Protocol Protocol `json:"protocol"`
	// Host is its name, in A-labels (RFC 5890): what is shown is what is
	// dialled. The certificate must be for this name (RFC 7817).
	Host string `json:"host"`
	// Port is its TCP port. Where a program sets it, 0 is the usual one of
	// Protocol and TLS.
	Port int `json:"port"`
	// TLS is how the connection is protected.
	TLS access.TLSMode `json:"-"`
	// User is the user name to log in with; empty means that the user has to be
	// asked.
	User string `json:"user,omitempty"`
	// UserForm is what User is: "address", "local" (what is before the @),
	// "composite" (made of the address in another way), "fixed" or "unknown".
	UserForm string `json:"userForm,omitempty"`
	// AltUser is a second user name that may be tried once if the server
	// refuses the first; empty if there is none.
	AltUser string `json:"altUser,omitempty"`
	// Auth is how to log in, the best first: "oauth2", "app-password" (a
	// password made for programs, not the user's own), "password", "encrypted"
	// (a password by SCRAM or CRAM-MD5), "gssapi", "ntlm", "client-cert",
	// "none". A server with "oauth2" alone takes no password at all.
	Auth []string `json:"auth,omitempty"`
	// OAuth2 is where to get tokens; nil if that is not known.
	OAuth2 *OAuth2 `json:"oauth2,omitempty"`
	// Source is what knew it: "preset", "table", "pacc", "autoconfig",
	// "well-known", "ispdb", "srv", "mx", "autodiscover", "guess" or "http", and
	// "given" by Result.Complete.
	Source string `json:"source,omitempty"`
	// Evidence is the URL, without its query, or the DNS record, or the probe
	// that says so.
	Evidence string `json:"evidence,omitempty"`
	// Confidence ranks sources, from 0 to 100. It is 0 for a
	// server that was given by hand.
	Confidence int `json:"confidence,omitempty"`
	// Trust is Confidence in words.
	Trust Trust `json:"trust,omitempty"`
	// Confirm is why the user must approve of this server before a secret is
	// sent to it, one sentence a reason; empty if that is not needed.
	Confirm []string `json:"confirm,omitempty"`
	// Notes are sentences for the user, such as that an app password is needed.
	Notes []string `json:"notes,omitempty"`
}

// Addr is "host:port".
func (s Server) Addr() string {
	port := s.Port
	if port == 0 {
		port = usualPort(s.Protocol, s.TLS)
	}
	return net.JoinHostPort(s.Host, strconv.Itoa(port))
}

// String is the protocol, the address and the TLS mode.
func (s Server) String() string { return fmt.Sprintf("%s %s %s", s.Protocol, s.Addr(), s.TLS) }

// plainServer is Server without methods, for encoding/json.
type plainServer Server

// jsonServer adds the TLS mode in words.
type jsonServer struct {
	plainServer
	TLS string `json:"tls"`
}

var tlsWords = [...]string{access.TLSImplicit: "implicit", access.TLSStart: "starttls", access.TLSNone: "none"}

// MarshalJSON writes TLS as "implicit", "starttls" or "none". Another value is
// an error.
func (s Server) MarshalJSON() ([]byte, error) {
	if s.TLS < 0 || int(s.TLS) >= len(tlsWords) {
		return nil, fmt.Errorf("discover: TLS mode %d is not known", int(s.TLS))
	}
	return json.Marshal(jsonServer{plainServer(s), tlsWords[s.TLS]})
}

// UnmarshalJSON reads what MarshalJSON wrote. Without "tls" it is "implicit";
// another word is an error.
func (s *Server) UnmarshalJSON(p []byte) error {
	var j jsonServer
	if err := json.Unmarshal(p, &j); err != nil {
		return err
	}
	*s = Server(j.plainServer)
	for mode, word := range tlsWords {
		if j.TLS == word {
			s.TLS = access.TLSMode(mode)
			return nil
		}
	}
	if j.TLS != "" {
		return fmt.Errorf(`discover: "tls": %q is none of "implicit", "starttls" and "none"`, j.TLS)
	}
	return nil
}

// OAuth2 is where and for what to get tokens (RFC 6749). The client's ID is the
// program's own business.
type OAuth2 struct {
	// Provider is the table's name of the authorization server, such as
	// "google"; empty if the table does not know it.
	Provider string `json:"provider,omitempty"`
	// Issuer identifies it (RFC 8414).
	Issuer string `json:"issuer,omitempty"`
	// AuthURL, TokenURL and DeviceURL (RFC 8628) are its endpoints; empty if
	// not known.
	AuthURL   string `json:"authURL,omitempty"`
	TokenURL  string `json:"tokenURL,omitempty"`
	DeviceURL string `json:"deviceURL,omitempty"`
	// Scopes are what this server wants.
	Scopes []string `json:"scopes,omitempty"`
}

// Attempt is one thing that was tried, for a log or a support case.
type Attempt struct {
	// Source is as in Server, or "cache" for what a Finder had kept.
	Source string `json:"source"`
	// Target is the URL without its query, the DNS record or host:port.
	Target string `json:"target"`
	// Start is when it began, counted from the beginning of the lookup; in JSON
	// it is in nanoseconds, and so is Took.
	Start time.Duration `json:"start"`
	// Took is how long it took.
	Took time.Duration `json:"took"`
	// Outcome is "found", or in a few words why not.
	Outcome string `json:"outcome"`
}

// Result is what was found for an address. It holds no secret and serialises to
// JSON. It is the caller's: no two calls share one.
type Result struct {
	// Address is the address, its domain as typed but in lower case.
	Address string `json:"address"`
	// Domain is its domain in A-labels; Display is the domain for people, with
	// the A-labels in brackets if they differ.
	Domain  string `json:"domain"`
	Display string `json:"display"`
	// Provider is who runs the account, for people; empty if nothing said so.
	Provider string `json:"provider,omitempty"`
	// Incoming are the servers that hold mail, the best first: IMAP before
	// POP3. It is never empty.
	Incoming []Server `json:"incoming"`
	// Outgoing are the servers that take mail to be sent, the best first; empty
	// if nothing named one.
	Outgoing []Server `json:"outgoing,omitempty"`
	// Notes are sentences for the user about the account as a whole.
	Notes []string `json:"notes,omitempty"`
	// Attempts are what was tried, in the order of their starts.
	Attempts []Attempt `json:"attempts,omitempty"`
}
