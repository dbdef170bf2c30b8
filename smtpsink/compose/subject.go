package compose

import (
	"strings"
)

// What mail programs put before the subject of an answer and of a forwarded
// message, in many languages. Marks of one letter (Italian "R:" and "I:") are left
// out, since they take too much away from others. VS is an answer in Finnish and
// forwarded in Norwegian.
const (
	replyMarks   = " re aw sv vs antw ynt odp ref rif res bls vá hiv atb 回复 回覆 答复 答覆 답장 회신 "
	forwardMarks = " fwd fw wg tr rv vb vl doorst ilt pd enc fs 转发 轉寄 轉發 전달 "
)

// answerSubject gives the subject of an answer: one "Re: ", however many there
// were and in whatever language.
func answerSubject(subject string) string {
	return strings.TrimSpace("Re: " + trimMarks(subject, replyMarks))
}

// forwardSubject does the same with "Fwd: ".
func forwardSubject(subject string) string {
	return strings.TrimSpace("Fwd: " + trimMarks(subject, forwardMarks))
}

// trimMarks takes marks away from the beginning: "AW: Re[2]: Re : text" is "text".
func trimMarks(subject, marks string) string {
	for {
		subject = strings.TrimSpace(subject)
		mark, rest, ok := strings.Cut(subject, ":")
		if !ok {
			if mark, rest, ok = strings.Cut(subject, "\uff1a"); !ok { // the wide colon of Chinese
				return subject
			}
		}
		mark = strings.TrimSpace(mark)
		if i := strings.IndexAny(mark, "[(^"); i > 0 {
			if strings.Trim(mark[i:], "[]()^0123456789") != "" {
				return subject
			}
			mark = strings.TrimSpace(mark[:i])
		}
		if mark == "" || strings.Contains(mark, " ") || !strings.Contains(marks, " "+strings.ToLower(mark)+" ") {
			return subject
		}
		subject = rest
	}
}
