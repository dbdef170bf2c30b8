package compose

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/postroom-go/postroom/internal/mailmime"
)

// maxProtectHeader is how large the header of what Protect writes may be.
const maxProtectHeader = 64 << 10

// protect has Message.Protect make another entity, and keeps that: it need not be
// the same a second time.
func (b *builder) protect(inner entity) (entity, error) {
	segments := append([]segment{{text: []byte(inner.header + crlf)}}, inner.body...)
	if !inner.closed {
		segments = append(segments, segment{text: []byte(crlf)})
	}
	r := &reader{ctx: b.ctx, segments: segments}
	defer r.Close()
	spooled := b.newSpool()
	err := b.m.Protect(spooled, &ctxReader{ctx: b.ctx, r: r})
	spooled.CloseWithError(err)
	if err := spooled.Wait(b.ctx); err != nil {
		return entity{}, fmt.Errorf("the hook Protect: %w", err)
	}

	br := bufio.NewReader(spooled.NewReader())
	header, err := protectedHeader(br)
	if err != nil {
		return entity{}, err
	}
	var f facts
	if _, err := io.Copy(&f, &crlfReader{src: br}); err != nil {
		return entity{}, fmt.Errorf("the hook Protect: %w", err)
	}
	f.end()
	if f.bareCR || f.nul || f.longest > maxLine {
		return entity{}, invalid("Protect", "wrote a NUL, a CR alone, or a line longer than 998 octets")
	}
	src := &source{name: "Protect", size: f.size, wire: f.size}
	src.open = func(context.Context) (io.ReadCloser, error) {
		br := bufio.NewReader(spooled.NewReader())
		if _, err := protectedHeader(br); err != nil {
			return nil, err
		}
		return io.NopCloser(&crlfReader{src: br}), nil
	}
	return entity{header: header, body: []segment{{src: src, encoding: sevenBit}}, closed: f.endsCRLF, eight: f.eight}, nil
}

// protectedHeader reads the header section of what Protect wrote.
func protectedHeader(br *bufio.Reader) (string, error) {
	var raw bytes.Buffer
	for {
		line, err := br.ReadSlice('\n')
		raw.Write(line)
		if err != nil || raw.Len() > maxProtectHeader {
			return "", invalid("Protect", "wrote no header of Content fields with an empty line behind it")
		}
		if len(bytes.TrimRight(line, crlf)) == 0 {
			break
		}
	}
	h := mailmime.ParseHeader(raw.Bytes(), nil)
	if len(h.Defects) > 0 || h.Get("Content-Type") == "" {
		return "", invalid("Protect", "wrote no Content-Type, or a header with a broken line")
	}
	for _, f := range h.Fields {
		if !strings.HasPrefix(strings.ToLower(f.Name), "content-") {
			return "", invalid("Protect", "wrote a field that does not begin with Content-")
		}
	}
	text := canonical(strings.TrimRight(raw.String(), crlf)) + crlf
	facts := factsOf([]byte(text))
	if facts.eight || facts.control || facts.longest > maxLine {
		return "", invalid("Protect", "wrote a header that is not ASCII, or has a control character or a line longer than 998 octets")
	}
	return text, nil
}
