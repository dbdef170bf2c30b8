// Package human writes what strangers sent, and numbers, for people at a
// terminal. The example programs share it.
package human

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Printable replaces control and direction characters: nothing in s may move
// the cursor or change the terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Size prints a number of octets.
func Size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// ParseSize reads a number of octets as people write it: 500, 64k, 10M or 1.5GiB.
// All units are powers of 1,024.
func ParseSize(s string) (int64, error) {
	number := strings.TrimRight(s, "BKMGTbkmgti ")
	unit := strings.ToLower(strings.TrimSpace(s[len(number):]))
	shift, ok := map[string]int{"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[strings.TrimSuffix(strings.TrimSuffix(unit, "b"), "i")]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !ok || !(n >= 0) {
		return 0, fmt.Errorf("%q is no size: want one such as 500, 64k or 10M", s)
	}
	if n *= float64(int64(1) << shift); n >= 1<<62 {
		return 0, fmt.Errorf("%q is too much", s)
	}
	return int64(n), nil
}
