package mailmime

import (
	"errors"
	"io"
)

type Part struct {
	ID, Type               string
	Params                 map[string]string
	Disposition            string
	DispositionParams      map[string]string
	Encoding               string
	Size, Lines            int64
	ContentID, Description string
	Language               []string
	Location, MD5          string
	Parts                  []*Part
	Header                 *Header // of the message inside message/rfc822
}

var ErrNoPart = errors.New("no such part")

func ReadStructure(r io.Reader, cs CharsetReader, lim *Limits) (*Part, []string, error) {
	return nil, nil, nil
}
func OpenPart(r io.Reader, id string, lim *Limits) (body io.Reader, encoding string, err error) {
	return nil, "", ErrNoPart
}
