//go:build race

package compose

// slow is by how much the race detector slows a test down that moves many
// octets; those move less then.
const slow = 16
