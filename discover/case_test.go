package discover

import (
	"maps"
	"testing"
	"testing/synctest"
)

// TestCase holds situations in which clients have gone wrong, each in a world of
// its own, with a clock of its own.
func TestCase(t *testing.T) {
	cases := map[string]func(t *testing.T, w *world){}
	for _, group := range []map[string]func(t *testing.T, w *world){addressCases, dnsCases, httpCases, documentCases, probeCases, failureCases} {
		maps.Copy(cases, group)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c(t, newWorld(t)) })
		})
	}
}
