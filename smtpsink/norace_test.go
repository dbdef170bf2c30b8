//go:build !race

package smtpsink

// slower is 1 where nothing slows the tests down.
const slower = 1
