package imapsrc

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
)

// TestRefusal: what a refusal means depends on what was asked for.
func TestRefusal(t *testing.T) {
	for name, tt := range map[string]struct {
		kind, code, text string
		phase            phase
		want             error // nil: none of the sentinels
	}{
		"full":               {"NO", "", "Over Quota", phaseAppend, mailbox.ErrQuota},
		"courier":            {"NO", "ALERT", "You exceeded your mail quota.", phaseAppend, mailbox.ErrQuota},
		"mailbox full":       {"NO", "", "MAILBOX FULL", phaseAppend, mailbox.ErrQuota},
		"mailbox is full":    {"NO", "", "The mailbox is full", phaseAppend, mailbox.ErrQuota},
		"disk full":          {"NO", "", "write: disk full", phaseAppend, mailbox.ErrQuota},
		"full of itself":     {"NO", "", "The message is full of errors", phaseAppend, nil},
		"a code says more":   {"NO", "UNAVAILABLE", "quota server", phaseAppend, mailbox.ErrUnavailable},
		"an unknown code":    {"NO", "X-ODD", "quota", phaseAppend, nil},
		"slower":             {"NO", "", "quota: too many requests", phaseAppend, mailbox.ErrThrottled},
		"not understood":     {"BAD", "", "quota", phaseAppend, mailbox.ErrProtocol},
		"good bye":           {"BYE", "", "quota", phaseAppend, mailbox.ErrUnavailable},
		"quota of a command": {"NO", "", "over quota", phaseSelect, nil},
		"quota of a login":   {"NO", "", "over quota", phaseLogin, mailbox.ErrAuth},
		"this message":       {"NO", "CANNOT", "no", phaseAppend, nil},
		"this text":          {"NO", "CANNOT", "not with this quota", phaseAppend, nil},
		"this command":       {"NO", "CANNOT", "no", phaseOther, mailbox.ErrPermission},
		"this folder":        {"NO", "CANNOT", "no", phaseSelect, mailbox.ErrPermission},
		"not yours":          {"NO", "NOPERM", "no", phaseAppend, mailbox.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			err := refusal(tt.kind, tt.code, tt.text, tt.phase)
			var status *StatusError
			require.ErrorAs(t, err, &status)
			assert.Equal(t, tt.code, status.Code)
			assert.Equal(t, tt.text, status.Text)
			if tt.want == nil {
				require.NoError(t, status.Unwrap())
				return
			}
			require.ErrorIs(t, err, tt.want)
		})
	}
}
