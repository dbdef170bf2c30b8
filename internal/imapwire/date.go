package imapwire

import (
	"time"

	"github.com/postroom-go/postroom/internal/mailmime"
)

// Time is an INTERNALDATE, such as "17-Jul-1996 02:44:25 -0700". A date that
// does not exist is not ok.
func (v Value) Time() (t time.Time, ok bool) {
	b := v.Bytes()
	if len(b) != 26 || b[2] != '-' || b[6] != '-' {
		return mailmime.ParseDate(string(b))
	}
	if b[0] == ' ' { // the day may be padded
		return dateAt(b[1:2], b[3:6], b[7:11], b[12:20], b[21:26])
	}
	return dateAt(b[0:2], b[3:6], b[7:11], b[12:20], b[21:26])
}

// parseDate reads the date of a header. The usual form, "Wed, 17 Jul 1996
// 02:44:25 -0700", is worth a shortcut: there is one in every envelope.
func parseDate(s string) (time.Time, bool) {
	b := s
	if len(b) > 5 && b[3] == ',' && b[4] == ' ' {
		b = b[5:]
	}
	if len(b) == 25 && b[1] == ' ' {
		if t, ok := dateAt(b[0:1], b[2:5], b[6:10], b[11:19], b[20:25]); ok && b[5] == ' ' && b[10] == ' ' && b[19] == ' ' {
			return t, true
		}
	}
	if len(b) == 26 && b[2] == ' ' {
		if t, ok := dateAt(b[0:2], b[3:6], b[7:11], b[12:20], b[21:26]); ok && b[6] == ' ' && b[11] == ' ' && b[20] == ' ' {
			return t, true
		}
	}
	return mailmime.ParseDate(s)
}

// dateAt makes a time of its pieces: "17", "Jul", "1996", "02:44:25", "-0700".
func dateAt[T string | []byte](day, month, year, clock, zone T) (time.Time, bool) {
	m := monthOf(month)
	d, ok1 := digits(day)
	y, ok2 := digits(year)
	hour, ok3 := digits(clock[0:2])
	minute, ok4 := digits(clock[3:5])
	sec, ok5 := digits(clock[6:8])
	zh, ok6 := digits(zone[1:3])
	zm, ok7 := digits(zone[3:5])
	ok := ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7 && m > 0 && clock[2] == ':' && clock[5] == ':' &&
		hour < 24 && minute < 60 && sec <= 60 && zh < 24 && zm < 60 && (zone[0] == '+' || zone[0] == '-')
	if !ok || d < 1 || d > daysIn(m, y) {
		return time.Time{}, false
	}
	offset := (zh*60 + zm) * 60
	if zone[0] == '-' {
		offset = -offset
	}
	zoneOf := time.UTC
	if offset != 0 {
		zoneOf = time.FixedZone("", offset)
	}
	return time.Date(y, m, d, hour, minute, min(sec, 59), 0, zoneOf), true
}

func digits[T string | []byte](s T) (int, bool) {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

func monthOf[T string | []byte](s T) time.Month {
	const names = "janfebmaraprmayjunjulaugsepoctnovdec"
	for i := 0; i < len(names); i += 3 {
		if s[0]|0x20 == names[i] && s[1]|0x20 == names[i+1] && s[2]|0x20 == names[i+2] {
			return time.Month(i/3 + 1)
		}
	}
	return 0
}

func daysIn(m time.Month, year int) int {
	switch m {
	case time.April, time.June, time.September, time.November:
		return 30
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
