package smtpsink

import (
	"bytes"
	"context"
	"io"
	"strings"

	"github.com/postroom-go/postroom/internal/mailconn"
)

// patient is a reader whose Read ends with ctx, also where the caller's blocks:
// that one goes on then, into a buffer of its own.
type patient struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte
	left bool
}

// patientSeeker is one that can be read again.
type patientSeeker struct {
	patient
	io.Seeker
}

// patiently makes r end with ctx.
func patiently(ctx context.Context, r io.Reader) io.Reader {
	switch r := r.(type) {
	case nil, *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return r // these never block
	case io.Seeker:
		return &patientSeeker{patient{ctx: ctx, r: r.(io.Reader)}, r}
	}
	return &patient{ctx: ctx, r: r}
}

// Read implements io.Reader. What is read when ctx has ended does not count.
func (p *patient) Read(b []byte) (int, error) {
	if p.left || p.ctx.Err() != nil {
		return 0, mailconn.ContextError(p.ctx)
	}
	if p.buf == nil {
		p.buf = make([]byte, blockSize/2)
	}
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	buf := p.buf[:min(len(b), len(p.buf))]
	go func() {
		n, err := p.r.Read(buf)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		if p.ctx.Err() != nil {
			return 0, mailconn.ContextError(p.ctx)
		}
		return copy(b, buf[:r.n]), r.err
	case <-p.ctx.Done():
		p.left = true
		return 0, mailconn.ContextError(p.ctx)
	}
}
