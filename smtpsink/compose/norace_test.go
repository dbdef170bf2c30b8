//go:build !race

package compose

// slow is 1 without the race detector.
const slow = 1
