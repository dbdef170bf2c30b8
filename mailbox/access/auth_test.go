package access

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const canary = "canary-5ecret"

// TestAuthShowsNoSecret prints an Auth in every way that a program does by
// accident, within other values, too, where fmt does not call its methods.
func TestAuthShowsNoSecret(t *testing.T) {
	type holder struct{ inner Auth }
	for _, a := range []Auth{
		Password("alice", canary, nil),
		OAuth2("alice", func(context.Context) (string, error) { return canary, nil }, nil),
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+verb+verb+"\n", a, &a, holder{a})
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "auth", a, "held", holder{a})
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "auth", a, "held", holder{a})
		data, err := json.Marshal(map[string]any{"auth": a, "held": holder{a}})
		require.NoError(t, err)
		out.Write(data)
		assert.NotContains(t, out.String(), canary)
		assert.Contains(t, out.String(), "alice")
	}
}

func TestAuth(t *testing.T) {
	a := Password("alice", canary, &AuthOptions{Mechanisms: []string{"PLAIN"}})
	secret, ok := a.Secret()
	assert.True(t, ok)
	assert.Equal(t, canary, secret)
	assert.Equal(t, []string{"PLAIN"}, a.Options().Mechanisms)
	assert.Equal(t, "alice (password)", a.String())

	_, ok = Auth{}.Secret()
	assert.False(t, ok)
	assert.Equal(t, " (no secret)", Auth{}.String())
}
