//go:build race

package outbox

// underRace: the race detector makes everything about ten times slower.
const underRace = true
