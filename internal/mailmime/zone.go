package mailmime

import (
	"strconv"
	"strings"
)

// offset takes +0200, +02:00 and +02. One behind a zone's name counts, unless
// the name said more than GMT.
func (d *dateReader) offset(w string) bool {
	digits := strings.Replace(w[1:], ":", "", 1)
	if len(digits) < 1 || len(digits) > 4 || len(digits) == 3 {
		return false
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || d.hour < 0 && !d.zoned && d.day < 0 {
		return false
	}
	if len(digits) <= 2 {
		n *= 100
	}
	// An offset of a day or more cannot be written in JSON, and is none.
	if n/100 > 23 || n%100 > 59 {
		return false
	}
	if d.named && !d.utc {
		return true
	}
	d.zone, d.zoned = (n/100*60+n%100)*60, true
	if w[0] == '-' {
		d.zone = -d.zone
	}
	return true
}

// zoneHours are the zones of RFC 5322 section 4.3, and a few that are seen.
var zoneHours = map[string]int{
	"UT": 0, "UTC": 0, "GMT": 0, "WET": 0, "Z": 0,
	"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
	"BST": 1, "CET": 1, "MET": 1, "CEST": 2, "MEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9,
}

// zoneName takes the name of a zone. One that is not known means nothing (RFC
// 5322 section 4.3), and so do those of one letter.
func (d *dateReader) zoneName(w string) bool {
	if i := strings.IndexAny(w, "+-"); i > 0 { // "GMT+0200"
		return d.zoneName(w[:i]) && d.offset(w[i:])
	}
	for i := 0; i < len(w); i++ {
		if c := w[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	hours, known := zoneHours[strings.ToUpper(w)]
	if d.zoned || !known {
		return true
	}
	d.zone, d.zoned, d.named, d.utc = hours*3600, true, true, hours == 0
	return true
}
