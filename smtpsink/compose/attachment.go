package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFilename is how many octets of a file's name are sent: what file systems
// hold.
const maxFilename = 255

// Attachment is a file that goes with a message. Its content is the one of Data,
// Open and Reader that is not nil; if all are it is empty.
type Attachment struct {
	// Name is the file's name. A directory before it and control characters
	// are dropped, and what is longer than 255 octets is cut.
	Name string
	// Type is the media type, perhaps with parameters; empty is by the name's
	// extension, else application/octet-stream. A multipart is refused.
	Type string
	// ContentID is without angle brackets. Those Inline must have one.
	ContentID string
	// Description is plain text on one line.
	Description string

	// Data is the content in memory. It must not change while a Prepared uses
	// it.
	Data []byte
	// Open opens the content each time that it is needed, and must give the
	// same each time: what is sent is cut off with an error if it does not and
	// that is noticed. ctx is that of Prepare, Prepared.Open or OpenCopy, and
	// covers the reader's life.
	Open func(ctx context.Context) (io.ReadCloser, error)
	// Reader is content that can be read once only. Prepare reads it to its
	// end and keeps it until Prepared.Close: in memory up to 256 KiB, in a
	// temporary file beyond that. It is not closed.
	Reader io.Reader
	// Size is how many octets Open gives, if that is known; 0 is unknown. A
	// content of another size is an error.
	Size int64

	stat func() (fs.FileInfo, error) // of FileAttachment
}

// FileAttachment is a file of fsys, such as that of os.DirFS or embed.FS, under
// the last element of its name. It is opened when it is needed; a file that is
// not there is an error of Prepare.
func FileAttachment(fsys fs.FS, name string) Attachment {
	return Attachment{
		Name: path.Base(name),
		Open: func(context.Context) (io.ReadCloser, error) { return fsys.Open(name) },
		stat: func() (fs.FileInfo, error) { return fs.Stat(fsys, name) },
	}
}

// usedReader takes the place of a Reader that an earlier Prepare has read.
type usedReader struct{}

var errUsed = errors.New("its Reader was read by an earlier Prepare: read that one's Prepared again, or give a new Reader")

func (usedReader) Read([]byte) (int, error) { return 0, errUsed }

// source is where a part's content comes from, as often as it is asked for.
type source struct {
	open func(ctx context.Context) (io.ReadCloser, error)
	size int64  // -1 if it is not known
	sum  []byte // SHA-256 of the content, nil if it is not known
	wire int64  // its size with CRLF line ends, if it goes out as lines
	name string // for errors
}

// source gives where a's content comes from. A Reader is read here.
func (b *builder) source(a *Attachment, field string) (*source, error) {
	src := &source{size: -1, name: field}
	given := 0
	if a.Data != nil {
		given++
	}
	if a.Open != nil {
		given++
		src.open = a.Open
		if a.Size > 0 {
			src.size = a.Size
		}
	}
	if a.Reader != nil {
		given++
	}
	switch {
	case given > 1:
		return nil, invalid(field, "has more than one of Data, Open and Reader")
	case a.Size < 0:
		return nil, invalid(field+".Size", "is negative")
	case a.Reader != nil:
		// Used even if this fails: what is left in it is not the whole.
		r := a.Reader
		a.Reader = usedReader{}
		spooled, err := b.spool(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
		src.size = spooled.Size()
		src.open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(spooled.NewReader()), nil }
	case a.Open == nil:
		data := a.Data
		src.size = int64(len(data))
		src.open = func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	}
	return src, statFile(a, src)
}

// statFile looks at a file of FileAttachment, so that one that is not there is
// told before anything is sent.
func statFile(a *Attachment, src *source) error {
	if a.stat == nil {
		return nil
	}
	info, err := a.stat()
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", src.name, err)
	case info.IsDir():
		return invalid(src.name, "is a directory")
	case info.Mode().IsRegular() && info.Size() > 0 && src.size < 0:
		src.size = info.Size()
	}
	return nil
}

// filename cleans a file's name: what a receiver may not do with it he should not
// have to find out.
func filename(name string) string {
	name = strings.ToValidUTF8(name, "_")
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		// Among the format characters are those that turn the direction
		// of text: "gpj.exe" is not to be shown as "exe.jpg".
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029 {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(name)
	if name == "." || name == ".." {
		return ""
	}
	return strings.TrimSpace(cutFilename(name, maxFilename))
}

// cutFilename cuts a name to n octets and keeps a short extension.
func cutFilename(name string, n int) string {
	if len(name) <= n {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > n/2 || len(ext) > 20 {
		ext = ""
	}
	n -= len(ext)
	for n > 0 && !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n] + ext
}
