package discover

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/postroom-go/postroom/mailbox/access"
)

// pacc is the configuration of draft-ietf-mailmaint-pacc. All servers speak TLS
// from the first octet on the usual ports, and the user name is the address.
type pacc struct {
	Protocols struct {
		IMAP, POP3, Submit, SMTP *paccServer
	} `json:"protocols"`
	Authentication struct {
		OAuthPublic *struct {
			Issuer string `json:"issuer"`
		} `json:"oauth-public"`
		Password *bool `json:"password"`
	} `json:"authentication"`
	Info struct {
		Provider struct {
			Name string `json:"name"`
		} `json:"provider"`
	} `json:"info"`
}

type paccServer struct {
	Host string `json:"host"`
}

// UnmarshalJSON leaves Host empty where it finds something else: what cannot be
// understood is dropped alone.
func (s *paccServer) UnmarshalJSON(p []byte) error {
	var v struct {
		Host any `json:"host"`
	}
	if json.Unmarshal(p, &v) == nil {
		s.Host, _ = v.Host.(string)
	}
	return nil
}

// parsePACC reads the JSON; user names are templates. What is unknown in it is
// ignored, and so is a server without a proper name.
func parsePACC(doc []byte) (servers []Server, provider string, err error) {
	var c pacc
	if err := json.Unmarshal(doc, &c); err != nil {
		return nil, "", fmt.Errorf("%w: %w", errDocument, err)
	}
	var auth []string
	var oauth *OAuth2
	if o := c.Authentication.OAuthPublic; o != nil && safeURL(o.Issuer) {
		auth, oauth = append(auth, "oauth2"), &OAuth2{Issuer: o.Issuer}
	}
	// Where nothing is said at all, a password is what there is.
	if p := c.Authentication.Password; p != nil && *p || p == nil && oauth == nil {
		auth = append(auth, "password")
	}
	if len(auth) == 0 {
		return nil, "", fmt.Errorf("%w: it allows no login that is known", errDocument)
	}
	submit := c.Protocols.Submit
	if submit == nil {
		submit = c.Protocols.SMTP // its name in the second draft
	}
	for _, s := range []struct {
		p    Protocol
		at   *paccServer
		port int
	}{{IMAP, c.Protocols.IMAP, 993}, {POP3, c.Protocols.POP3, 995}, {SMTP, submit, 465}} {
		if s.at == nil {
			continue
		}
		host, err := serverName(s.at.Host)
		if err != nil {
			continue
		}
		servers = append(servers, Server{Protocol: s.p, Host: host, Port: s.port, TLS: access.TLSImplicit, User: tplAddress, Auth: auth, OAuth2: oauth})
	}
	return servers, text(c.Info.Provider.Name), nil
}

// paccDigest reports whether one of the TXT records holds the digest of the
// document: "v=UAAC1; a=sha256; d=BASE64", its tags in any order.
func paccDigest(records []string, doc []byte) bool {
	sum := sha256.Sum256(doc)
	for _, r := range records {
		tags := map[string]string{}
		for _, field := range strings.Split(r, ";") {
			k, v, _ := strings.Cut(field, "=")
			tags[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
		if tags["v"] != "UAAC1" || tags["a"] != "sha256" {
			continue
		}
		digest := strings.Map(func(r rune) rune {
			if r == ' ' || r == '\t' {
				return -1 // strings of one record may have been joined with spaces
			}
			return r
		}, tags["d"])
		d, err := base64.StdEncoding.DecodeString(digest)
		if err == nil && subtle.ConstantTimeCompare(d, sum[:]) == 1 {
			return true
		}
	}
	return false
}

var errDigest = errors.New("the digest in DNS is not that of the document")

// searchPACC asks for the configuration and for its digest in DNS at once. Both
// must agree. Where it names an issuer of OAuth2 tokens, that is asked for its
// endpoints.
func searchPACC(ctx context.Context, q *query) answer {
	host, ok := q.below("ua-auto-config")
	if !ok {
		return answer{err: errors.New(isSuffixErr)}
	}
	target := "https://" + host + "/.well-known/user-agent-configuration.json"
	records := make(chan []string, 1)
	go func() { records <- q.txt(ctx, "pacc", "_ua-auto-config."+q.domain) }()
	end := q.attempt("pacc", target)
	doc, err := q.fetch(ctx, request{url: target})
	digests := <-records
	if err == nil && !paccDigest(digests, doc.body) {
		err = errDigest
	}
	var servers []Server
	var provider string
	if err == nil {
		servers, provider, err = parsePACC(doc.body)
	}
	end(err)
	if err != nil {
		return answer{err: err}
	}
	if len(servers) > 0 && servers[0].OAuth2 != nil {
		o := q.endpoints(ctx, servers[0].OAuth2.Issuer)
		for i := range servers {
			servers[i].OAuth2 = o
		}
	}
	return answer{servers: servers, provider: provider, evidence: target}
}
