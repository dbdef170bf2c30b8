package mailmime

import (
	"strconv"
	"strings"
	"time"
)

// ParseDate reads a date as RFC 5322 section 3.3 and 4.3 write it, and as
// others do: ISO 8601, asctime, IMAP's internal dates; two-digit years, no
// weekday, no seconds, comments, obsolete zone names and "GMT+0200". The zone is
// the sender's; UTC if there is none. A date that does not exist, such as 31
// February, is not ok.
func ParseDate(raw string) (t time.Time, ok bool) {
	d := dateReader{month: -1, day: -1, year: -1, hour: -1}
	var words [maxDateWords]string
	for _, w := range dateWords(raw, &words) {
		if !d.word(w) {
			return time.Time{}, false
		}
	}
	return d.time()
}

// A date has no more words than this, and no longer ones.
const maxDateWords, maxDateWord = 12, 40

// dateWords cuts a value at space, commas and comments into words. It gives none
// if that is too much to be a date.
func dateWords(raw string, words *[maxDateWords]string) []string {
	n, open := 0, false
	for i := 0; i < len(raw); {
		if raw[i] == '(' {
			i = skipComment(raw, i, &open)
			continue
		}
		from := i
		for i < len(raw) && raw[i] > ' ' && strings.IndexByte(",\"(", raw[i]) < 0 {
			i++
		}
		switch {
		case i == from:
			i++
		case n == len(words) || i-from > maxDateWord:
			return nil
		default:
			words[n] = raw[from:i]
			n++
		}
	}
	return words[:n]
}

// dateReader collects what the words of a date say.
type dateReader struct {
	year, month, day  int
	hour, min, sec    int
	nsec              int
	zone              int // seconds east of UTC
	zoned, named, utc bool
}

// word takes one word of a date, false if it cannot be part of one.
func (d *dateReader) word(w string) bool {
	switch {
	case isDigit(w[0]):
		return d.digits(w)
	case w[0] == '+' || w[0] == '-':
		return d.offset(w)
	case d.month < 0 && d.setMonth(w):
		return true
	case d.hour >= 0 && d.meridiem(w):
		return true
	case d.hour < 0:
		return isWeekday(w)
	}
	return d.zoneName(w)
}

// digits takes a word that begins with a digit.
func (d *dateReader) digits(w string) bool {
	if i := strings.IndexAny(w, "Tt"); i > 0 && strings.Count(w[:i], "-") == 2 && i+1 < len(w) {
		return d.hyphened(w[:i]) && d.clock(w[i+1:])
	}
	switch {
	case strings.IndexByte(w, ':') > 0, d.hour < 0 && d.year >= 0 && strings.Count(w, ".") > 0:
		return d.hour < 0 && d.clock(w)
	case strings.Count(w, "-") == 2:
		return d.hyphened(w)
	case strings.Count(w, "/") == 2:
		p := strings.Split(w, "/")
		return len(p[0]) == 4 && d.hyphened(strings.Join(p, "-"))
	}
	w = strings.TrimRight(w, ".")
	if n := len(w); n > 2 && d.day < 0 { // "1st", "2nd"
		if s := strings.ToLower(w[n-2:]); s == "st" || s == "nd" || s == "rd" || s == "th" {
			w = w[:n-2]
		}
	}
	n, err := strconv.Atoi(w)
	switch {
	case err != nil:
		return false
	case d.day < 0 && len(w) <= 2:
		d.day = n
		return true
	case d.year < 0:
		return d.setYear(w)
	}
	return false
}

// hyphened takes 2006-01-02 and 02-Jan-2006.
func (d *dateReader) hyphened(w string) bool {
	p := strings.Split(w, "-")
	if d.day >= 0 || d.year >= 0 || d.month >= 0 {
		return false
	}
	if len(p[0]) != 4 {
		p[0], p[2] = p[2], p[0]
	}
	if !d.setMonth(p[1]) {
		m, err := strconv.Atoi(p[1])
		if err != nil || len(p[0]) != 4 || len(p[1]) > 2 {
			return false
		}
		d.month = m
	}
	day, err := strconv.Atoi(p[2])
	if err != nil || len(p[2]) > 2 {
		return false
	}
	d.day = day
	return d.setYear(p[0])
}

// setYear takes a year; those of two and three digits are as in RFC 5322
// section 4.3.
func (d *dateReader) setYear(w string) bool {
	n, err := strconv.Atoi(w)
	if err != nil || n < 0 {
		return false
	}
	switch {
	case len(w) == 2 && n < 50:
		n += 2000
	case len(w) == 2, len(w) == 3:
		n += 1900
	case len(w) != 4 || n == 0:
		return false
	}
	d.year = n
	return true
}

// clock takes 15:04, 15:04:05, with a fraction and a zone right behind it.
func (d *dateReader) clock(w string) bool {
	if i := strings.IndexAny(w, "+-Zz"); i > 0 {
		tail := w[i:]
		w = w[:i]
		switch {
		case tail == "Z" || tail == "z":
			d.zoned = true
		case !d.offset(tail):
			return false
		}
	}
	if n := len(w); n > 2 && w[n-1]|0x20 == 'm' { // "3:04pm"
		defer d.meridiem(w[n-2:])
		w = w[:n-2]
	}
	sep := ":"
	if strings.IndexByte(w, ':') < 0 {
		sep = "."
	}
	hour, w, ok := strings.Cut(w, sep)
	minute, second, seconds := strings.Cut(w, sep)
	if i := strings.IndexAny(second, ".,"); i >= 0 {
		if !d.fraction(second[i+1:]) {
			return false
		}
		second = second[:i]
	}
	return ok && twoDigits(hour, &d.hour) && twoDigits(minute, &d.min) &&
		(!seconds || twoDigits(second, &d.sec))
}

// twoDigits reads a number of one or two digits.
func twoDigits(s string, to *int) bool {
	n, err := strconv.ParseUint(s, 10, 8)
	*to = int(n)
	return err == nil && len(s) <= 2
}

// fraction takes the digits of a fraction of a second.
func (d *dateReader) fraction(digits string) bool {
	n := 0
	for i := range 9 {
		n *= 10
		if i < len(digits) {
			if !isDigit(digits[i]) {
				return false
			}
			n += int(digits[i] - '0')
		}
	}
	d.nsec = n
	return true
}

// meridiem takes AM and PM.
func (d *dateReader) meridiem(w string) bool {
	switch strings.ToLower(w) {
	case "am":
		if d.hour == 12 {
			d.hour = 0
		}
		return true
	case "pm":
		if d.hour < 12 {
			d.hour += 12
		}
		return true
	}
	return false
}

var months = [...]string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// setMonth takes the name of a month, of which three letters count.
func (d *dateReader) setMonth(w string) bool {
	if len(w) < 3 || len(w) > 10 {
		return false
	}
	for i, m := range months {
		if strings.EqualFold(w[:3], m) {
			d.month = i + 1
			return true
		}
	}
	return false
}

// isWeekday reports whether w may be a weekday in whatever language: it says
// nothing that is needed.
func isWeekday(w string) bool {
	return len(w) < 20 && strings.IndexFunc(w, func(r rune) bool { return isDigit(byte(min(r, 0x7f))) }) < 0
}

// time gives the date, if it is one.
func (d *dateReader) time() (time.Time, bool) {
	if d.year < 0 || d.month < 1 || d.month > 12 || d.day < 1 || d.hour < 0 || d.hour > 23 ||
		d.min > 59 || d.sec > 60 {
		return time.Time{}, false
	}
	zone := time.UTC
	if d.zone != 0 {
		zone = time.FixedZone("", d.zone)
	}
	t := time.Date(d.year, time.Month(d.month), d.day, d.hour, d.min, d.sec, d.nsec, zone)
	if day := time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, zone); day.Day() != d.day {
		return time.Time{}, false
	}
	return t, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
