package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"slices"

	"github.com/postroom-go/postroom/examples/internal/human"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
)

// maxHeader is the most octets of a file that are read for its header.
const maxHeader = 1 << 20

var errEmpty = errors.New("it is empty: there is no message in it")

// rawFile is a file with a message to be sent as it is.
type rawFile struct {
	name  string
	index int      // among the files
	in    *os.File // standard input, for the name "-"
	again bool     // it is sent more than once: what is short is kept
	kept  []byte   // its octets
}

// open gives the message from its beginning, without the line of an mbox that may
// stand ahead of it. Standard input can be read once.
func (r *rawFile) open() (io.ReadCloser, error) {
	if len(r.kept) > 0 && !isUnderMboxLine(r.kept) {
		return io.NopCloser(bytes.NewReader(r.kept)), nil
	}
	body, err := r.octets()
	if err != nil {
		return nil, err
	}
	br := bufio.NewReaderSize(body, 16) // what is read at a time is the reader's affair
	begin, err := br.Peek(len(mboxLine) + 1)
	switch {
	case len(begin) == 0 && err == io.EOF:
		err = errEmpty
	case err == io.EOF:
		err = nil
	}
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	if !isUnderMboxLine(begin) {
		return rest{br, body}, nil
	}
	u := newUnboxed(br)
	if _, err := u.br.Peek(1); err == io.EOF {
		_ = body.Close()
		return nil, errEmpty
	}
	return rest{u, body}, nil
}

// octets gives all that is in the file.
func (r *rawFile) octets() (io.ReadCloser, error) {
	switch {
	case r.kept != nil: // also where that is nothing
		return io.NopCloser(bytes.NewReader(r.kept)), nil
	case r.again:
		r.again = false
		if st, err := os.Stat(r.name); err == nil && st.Mode().IsRegular() && st.Size() < maxHeader {
			if kept, err := os.ReadFile(r.name); err == nil {
				r.kept = kept
				return r.octets()
			}
		}
		return os.Open(r.name)
	case r.name != "-":
		return os.Open(r.name)
	}
	if r.in == nil {
		return nil, errors.New("no standard input")
	}
	return io.NopCloser(r.in), nil
}

// message makes the file a message of SendAll. given is what the flags say of
// the envelope.
func (r *rawFile) message(given *smtpsink.Envelope, opts *smtpsink.SendOptions) (*smtpsink.Message, error) {
	body, err := r.open()
	if err != nil {
		return nil, err
	}
	m := &smtpsink.Message{Body: body, Options: opts, Tag: r}
	if m.Envelope = given; given.From == "" || len(given.To) == 0 {
		header, err := readHeader(body)
		if err == nil {
			m.Envelope, err = complete(given, header)
		}
		if err != nil {
			_ = body.Close()
			return nil, err
		}
		m.Body = rest{io.MultiReader(bytes.NewReader(header), body), body}
	}
	return m, nil
}

// rest is a reader whose beginning was read already.
type rest struct {
	io.Reader
	io.Closer
}

// readHeader reads up to the empty line, and perhaps a little of the body.
func readHeader(body io.Reader) ([]byte, error) {
	var header bytes.Buffer
	r := bufio.NewReaderSize(io.TeeReader(io.LimitReader(body, maxHeader), &header), 4<<10)
	for {
		line, err := r.ReadSlice('\n')
		switch {
		case err == io.EOF, err == nil && len(bytes.TrimRight(line, "\r\n")) == 0:
			return header.Bytes(), nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// messageID is what to look for when it is not known whether it was sent; empty if
// it cannot be told.
func (r *rawFile) messageID() string {
	if r.name == "-" {
		return "" // was read
	}
	body, err := r.open()
	if err != nil {
		return ""
	}
	defer body.Close()
	header, _ := readHeader(body)
	e, _ := mailbox.ParseEnvelope(header, nil)
	return e.MessageID
}

// given is what the flags say of the envelope.
func (f *sendFlags) given() (*smtpsink.Envelope, error) {
	env := &smtpsink.Envelope{}
	add := func(flag string, values ...string) (all []string, err error) {
		for _, v := range values {
			list, err := compose.ParseAddresses(v)
			if err != nil {
				return nil, usagef("--%s: %v", flag, err)
			}
			for _, addr := range list {
				all = append(all, addr.Address)
			}
		}
		return all, nil
	}
	from, err := add("from", f.from)
	if err == nil && len(from) > 1 {
		err = usagef("--from: want one address")
	}
	if err != nil {
		return nil, err
	}
	if len(from) == 1 {
		env.From = from[0]
	}
	env.To, err = add("to", slices.Concat(f.to, f.cc, f.bcc)...)
	return env, err
}

// complete takes from a header what is not given (RFC 5322 section 3.6).
func complete(given *smtpsink.Envelope, header []byte) (*smtpsink.Envelope, error) {
	e, _ := mailbox.ParseEnvelope(header, nil)
	env := *given
	if env.From == "" {
		for _, list := range [][]mail.Address{e.Sender, e.From} {
			if env.From == "" && len(list) > 0 {
				env.From = list[0].Address
			}
		}
		if env.From == "" {
			return nil, errors.New("its header does not say whom it is from: give --from")
		}
	}
	if len(env.To) > 0 {
		return &env, nil
	}
	for _, addr := range slices.Concat(e.To, e.Cc, e.Bcc) {
		switch {
		case addr.Address == "":
			return nil, fmt.Errorf("its header names %q, which is no address: give --to", human.Printable(addr.Name))
		case !slices.Contains(env.To, addr.Address):
			env.To = append(env.To, addr.Address)
		}
	}
	if len(env.To) == 0 {
		return nil, errors.New("its header does not say whom it is to: give --to")
	}
	return &env, nil
}
