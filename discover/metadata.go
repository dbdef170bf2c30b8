package discover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// metadata is what an authorization server says about itself (RFC 8414 section 2,
// and OpenID Connect Discovery, which it grew out of).
type metadata struct {
	Issuer string `json:"issuer"`
	Auth   string `json:"authorization_endpoint"`
	Token  string `json:"token_endpoint"`
	Device string `json:"device_authorization_endpoint"`
}

// parseMetadata reads the JSON. The issuer must be the one that was asked (RFC
// 8414 section 3.3), and all endpoints HTTPS.
func parseMetadata(doc []byte, issuer string) (*OAuth2, error) {
	var m metadata
	if err := json.Unmarshal(doc, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", errDocument, err)
	}
	if m.Issuer != issuer {
		return nil, fmt.Errorf("%w: it is of another issuer", errDocument)
	}
	if !safeURL(m.Auth) || !safeURL(m.Token) || m.Device != "" && !safeURL(m.Device) {
		return nil, fmt.Errorf("%w: its endpoints cannot be used", errDocument)
	}
	return &OAuth2{Issuer: issuer, AuthURL: m.Auth, TokenURL: m.Token, DeviceURL: m.Device}, nil
}

// metadataURLs are where an issuer's metadata may be: RFC 8414 puts the
// well-known name before the issuer's path, OpenID Connect behind it.
func metadataURLs(issuer string) []string {
	u, err := url.Parse(issuer)
	if err != nil || !safeURL(issuer) || u.RawQuery != "" || u.Fragment != "" {
		return nil
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	base := "https://" + u.Host
	return []string{base + "/.well-known/oauth-authorization-server" + path, base + path + "/.well-known/openid-configuration"}
}

// endpoints asks an issuer for its endpoints. If it does not tell, what is known
// is the issuer alone.
func (q *query) endpoints(ctx context.Context, issuer string) *OAuth2 {
	for _, target := range metadataURLs(issuer) {
		end := q.attempt("pacc", target)
		doc, err := q.fetch(ctx, request{url: target})
		var o *OAuth2
		if err == nil {
			o, err = parseMetadata(doc.body, issuer)
		}
		end(err)
		if err == nil {
			return o
		}
		if errors.Is(err, context.Canceled) {
			break
		}
	}
	return &OAuth2{Issuer: issuer}
}
