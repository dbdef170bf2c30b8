package maildir

import (
	"cmp"
	"strings"
)

// stamp orders messages: when they were delivered, as their names tell.
type stamp struct {
	sec   int64
	usec  int32
	count int32 // of several deliveries at a time
}

// stampOf reads the beginning of a file name: seconds, a dot, then what makes it
// unique. The microseconds stand behind an M, a process's own count behind Q, # or
// the old "pid_".
func stampOf(base string) stamp {
	sec, rest := digits(base, 17)
	if rest == base || rest == "" || rest[0] != '.' {
		return stamp{} // no name of a delivery: the oldest
	}
	s := stamp{sec: sec}
	for rest = rest[1:]; rest != "" && rest[0] != '.' && rest[0] != ','; {
		c := rest[0]
		rest = rest[1:]
		switch c {
		case 'M':
			var n int64
			n, rest = digits(rest, 9)
			s.usec = int32(n)
		case 'Q', '#', '_':
			var n int64
			n, rest = digits(rest, 9)
			s.count = int32(n)
		}
	}
	return s
}

// digits reads a number of at most that many digits from the front of s. One
// with more is none.
func digits(s string, most int) (n int64, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	if i == 0 || i > most {
		return 0, s
	}
	for _, c := range []byte(s[:i]) {
		n = 10*n + int64(c-'0')
	}
	return n, s[i:]
}

func (s stamp) compare(o stamp) int {
	return cmp.Or(cmp.Compare(s.sec, o.sec), cmp.Compare(s.usec, o.usec), cmp.Compare(s.count, o.count))
}

// micros is the time in microseconds since 1970; 0 if it is beyond all time.
func (s stamp) micros() int64 {
	if s.sec > 1<<40 {
		return 0
	}
	return s.sec*1_000_000 + int64(min(s.usec, 999_999))
}

// splitName cuts a file name before the info, which begins with sep (":2,") and
// is "" if there is none.
func splitName(name, sep string) (base, info string) {
	if i := strings.Index(name, sep); i >= 0 {
		return name[:i], name[i:]
	}
	return name, ""
}

// keyOf is the base of a file name without the UID that mbsync writes at its end,
// and changes when it counts anew.
func keyOf(base string) string {
	const mark = ",U="
	if i := strings.LastIndex(base, mark); i > 0 {
		if uid := base[i+len(mark):]; uid != "" {
			if _, rest := digits(uid, 10); rest == "" {
				return base[:i]
			}
		}
	}
	return base
}

// splitInfo cuts an info into the letters of the flags and what may stand behind
// a comma, which is not ours.
func splitInfo(info, sep string) (letters, rest string) {
	letters = strings.TrimPrefix(info, sep)
	if i := strings.IndexByte(letters, ','); i >= 0 {
		return letters[:i], letters[i:]
	}
	return letters, ""
}

// validBase reports whether key can be the base, or the key, of a file name: it
// leads nowhere else, and no scan passes it over.
func validBase(key, sep string) bool {
	return key != "" && len(key) <= maxName && key[0] != '.' &&
		!strings.ContainsAny(key, "/\\\x00") && !strings.Contains(key, sep)
}

// maxName is the most octets that a file name may have.
const maxName = 255

// entry is one message of a folder.
type entry struct {
	name string
	at   stamp
	base uint16 // how much of name
	id   uint16 // how much of that is the key
	pass uint8  // of a scan
	cur  bool   // in cur, not in new
	twin bool   // there was another file with this key
}

func newEntry(name, sep string, cur bool, pass int) entry {
	base, _ := splitName(name, sep)
	key := keyOf(base)
	return entry{name: name, at: stampOf(key), base: uint16(len(base)), id: uint16(len(key)), pass: uint8(pass), cur: cur}
}

func (e *entry) key() string  { return e.name[:e.id] }
func (e *entry) info() string { return e.name[e.base:] }

func (e *entry) path() string {
	if e.cur {
		return "cur/" + e.name
	}
	return "new/" + e.name
}

// compareKey compares by the order of the list.
func (e *entry) compareKey(at stamp, key string) int {
	return cmp.Or(e.at.compare(at), strings.Compare(e.key(), key))
}
