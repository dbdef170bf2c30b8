package postroom

import (
	"errors"
	"slices"
	"strings"

	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
)

const (
	adviceSecret      = "The server does not accept the user name or the password. Check both; some providers want another user name than the address."
	adviceToken       = "The server does not accept the sign-in for this user name. Sign in again, to this account, and allow the use of its mail."
	adviceAppPassword = "The provider wants a password made for mail programs, not your usual one. Make one in the security settings of your account."
	adviceOAuth2      = "The provider takes no password from mail programs. Sign in with the provider in a browser (OAuth2)."
	adviceOff         = "The provider has this way of access switched off for your account. Switch it on in the account's settings, or ask your administrator."
	adviceCertificate = "The server does not prove that it is the one it is said to be. Check its name; if that is right do not go on: somebody may be listening."
	adviceNoTLS       = "The server offers no encryption, or somebody on the way keeps it away. Your password was not sent."
	adviceThrottled   = "The provider wants a pause: too many logins or connections. Try again later."
	adviceUser        = "Nothing says what your user name is; it may not be the address. Look on the provider's pages, and enter it."
	adviceOther       = "The server cannot be used."
	adviceNoSecret    = "The server wants a password."
	adviceSignIn      = "The provider gives no new token. Sign in again, and allow the use of your mail."
	adviceTokenServer = "The provider's sign-in server, which gives the tokens, does not answer, or has trouble. Check the network, and try again later."
	adviceUnreachable = "The server cannot be reached just now. Check the network, and the server's name and port."
)

// noted is an advice with the provider's own.
func noted(advice string, server discover.Server) string {
	return strings.Join(append([]string{advice}, server.Notes...), " ")
}

// explain makes a driver's error a person's.
func explain(server discover.Server, auth access.Auth, err error) *LoginError {
	reason, advice := classify(server, auth, err)
	switch reason {
	case WrongSecret, NeedsAppPassword, SwitchedOff, NeedsOAuth2, NeedsSecret:
		advice = noted(advice, server)
	}
	return &LoginError{Server: server, Reason: reason, Advice: advice, Err: err}
}

func classify(server discover.Server, auth access.Auth, err error) (Reason, string) {
	said := reasonOf(err.Error())
	refused := errors.Is(err, mailbox.ErrAuth) || errors.Is(err, mailbox.ErrPermission)
	var token *tokenError
	switch {
	case errors.Is(err, ErrSignIn):
		return NeedsSignIn, adviceSignIn
	case errors.As(err, &token):
		return Unreachable, adviceTokenServer
	case errors.Is(err, mailbox.ErrCertificate):
		return BadCertificate, adviceCertificate
	case errors.Is(err, mailbox.ErrTLSRequired), errors.Is(err, mailbox.ErrTLSInjection):
		return NoTLS, adviceNoTLS
	case errors.Is(err, mailbox.ErrThrottled), errors.Is(err, mailbox.ErrBusy), said == Throttled:
		return Throttled, adviceThrottled
	case refused:
		return refusal(server, auth, said, err.Error())
	case errors.Is(err, mailbox.ErrUnavailable), errors.Is(err, mailbox.ErrProtocol):
		return Unreachable, adviceUnreachable
	}
	return Other, adviceOther
}

// refusal is why a login was refused, by what the server said of it.
func refusal(server discover.Server, auth access.Auth, said Reason, text string) (Reason, string) {
	_, password := auth.Secret()
	switch said {
	case SwitchedOff:
		return SwitchedOff, adviceOff
	case NeedsOAuth2:
		return NeedsOAuth2, adviceOAuth2
	case NeedsAppPassword:
		return NeedsAppPassword, adviceAppPassword
	}
	switch offers := strings.Contains(text, notOffered); {
	case strings.Contains(text, "offers no way to log in"):
		return Other, adviceOther // smtpsink says what to do
	case offers && !password:
		return NeedsSecret, adviceNoSecret
	case offers && (strings.Contains(text, "XOAUTH2") || strings.Contains(text, "OAUTHBEARER")):
		return NeedsOAuth2, adviceOAuth2
	case password && wantsAppPassword(server):
		return NeedsAppPassword, adviceAppPassword
	case !password:
		return WrongSecret, adviceToken
	}
	return WrongSecret, adviceSecret
}

// notOffered is how the drivers say that the server has no way to log in that fits
// the secret, which was not sent.
const notOffered = "offers no login that is allowed here"

// wantsAppPassword reports whether the provider's own rules ask for one, and take
// no other password.
func wantsAppPassword(server discover.Server) bool {
	app := false
	for _, method := range server.Auth {
		switch method {
		case "app-password":
			app = true
		case "password", "encrypted":
			return false
		}
	}
	return app
}

// phrases are what providers say when they refuse a login for another reason than
// a wrong secret. Their codes do not tell: it is NO, -ERR or 535 all the same.
var phrases = []struct {
	reason Reason
	text   string
}{
	{NeedsAppPassword, "application-specific password"}, // Gmail
	{NeedsAppPassword, "application password"},          // Mail.ru
	{NeedsAppPassword, "app password"},
	{NeedsAppPassword, "app-specific password"}, // iCloud
	{NeedsAppPassword, "authorization code"},    // QQ
	{NeedsAppPassword, "authorized code"},       // QQ
	{SwitchedOff, "not enabled for imap"},       // Gmail
	{SwitchedOff, "not enabled for pop"},
	{SwitchedOff, "yet to enable imap"}, // Zoho
	{SwitchedOff, "yet to enable pop"},
	{SwitchedOff, "imap is disabled"},
	{SwitchedOff, "pop3 is disabled"},
	{SwitchedOff, "imap access is disabled"},
	{SwitchedOff, "pop access is disabled"},
	{SwitchedOff, "smtp auth is disabled"},             // GMX, Web.de
	{SwitchedOff, "smtpclientauthentication is disab"}, // Microsoft 365
	{SwitchedOff, "protocol disabled"},
	{NeedsOAuth2, "basicauthblocked"},        // Microsoft 365
	{NeedsOAuth2, "basic authentication is"}, // Outlook.com
	{NeedsOAuth2, "web login required"},      // Gmail
	{NeedsOAuth2, "log in via your web browser"},
	{Throttled, "too many"},
	{Throttled, "rate limit"},
	{Throttled, "temporarily blocked"},
}

// reasonOf looks for the phrases in what a server said. One that names what may be
// the matter is no reason: Yandex says "invalid credentials or IMAP is disabled"
// to every wrong password.
func reasonOf(text string) Reason {
	text = strings.ToLower(text)
	for _, p := range phrases {
		if before, after, ok := strings.Cut(text, p.text); ok && !perhaps(before, after) {
			return p.reason
		}
	}
	return ""
}

// perhaps reports whether a phrase is only one possibility, by the words of its
// sentence before it and of its clause behind it.
func perhaps(before, after string) bool {
	before = before[strings.LastIndexAny(before, ".;:!?\"")+1:]
	if end := strings.IndexAny(after, ",.;:!?\""); end >= 0 {
		after = after[:end]
	}
	words := strings.Fields(before)
	if len(words) > 0 && words[len(words)-1] == "or" {
		return true
	}
	for _, w := range append(words, strings.Fields(after)...) {
		switch w {
		case "if", "may", "might", "unless", "when":
			return true
		}
	}
	return slices.Contains(strings.Fields(after), "will")
}
