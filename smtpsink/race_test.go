//go:build race

package smtpsink

// slower is how much less is tried under the race detector, which takes ten times as
// long.
const slower = 5
