package sasl

import (
	"encoding/json"
	"strconv"
	"strings"
)

// bearer is what OAUTHBEARER and XOAUTH2 have in common.
type bearer struct {
	user, token string
	said        *string // gets the server's reason
	refused     bool
}

// note keeps what the server's error challenge says: {"status":"..."} (RFC 7628
// section 3.2.2; Google's and Microsoft's XOAUTH2 send the same).
func (b *bearer) note(challenge []byte) error {
	if b.refused {
		return errOrder
	}
	b.refused = true
	var e struct {
		Status json.RawMessage `json:"status"`
	}
	if json.Unmarshal(challenge, &e) == nil {
		*b.said = clean(strings.Trim(string(e.Status), `"`))
	}
	return nil
}

// verified: TLS has proved the server already.
func (b *bearer) verified() error { return nil }

// oauthBearer is OAUTHBEARER (RFC 7628).
type oauthBearer struct {
	bearer
	host string
	port int
}

func (o *oauthBearer) start() ([]byte, error) {
	s := "n,a=" + saslName(o.user) + ",\x01"
	if o.host != "" {
		s += "host=" + o.host + "\x01"
	}
	if o.port != 0 {
		s += "port=" + strconv.Itoa(o.port) + "\x01"
	}
	return []byte(s + "auth=Bearer " + o.token + "\x01\x01"), nil
}

// next answers the error challenge as RFC 7628 section 3.2.3 wants it; the
// server's refusal follows.
func (o *oauthBearer) next(challenge []byte) ([]byte, error) {
	return []byte{1}, o.note(challenge)
}

// xoauth2 is XOAUTH2, Google's and Microsoft's forerunner of OAUTHBEARER.
type xoauth2 struct{ bearer }

func (x *xoauth2) start() ([]byte, error) {
	return []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

func (x *xoauth2) next(challenge []byte) ([]byte, error) {
	return []byte{}, x.note(challenge)
}

// saslName escapes a name for a GS2 header and for SCRAM (RFC 5801 section 4).
func saslName(s string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s)
}
