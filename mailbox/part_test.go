package mailbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// sample is a message with a text in two forms, an inline picture, a file and
// a forwarded message.
func sample() *Part {
	return &Part{Type: "multipart/mixed", Parts: []*Part{
		{ID: "1", Type: "multipart/related", Parts: []*Part{
			{ID: "1.1", Type: "multipart/alternative", Parts: []*Part{
				{ID: "1.1.1", Type: "text/plain"},
				{ID: "1.1.2", Type: "text/html"},
			}},
			{ID: "1.2", Type: "image/png", ContentID: "x@y", Disposition: "inline", Params: map[string]string{"name": "logo.png"}},
		}},
		{ID: "2", Type: "application/pdf", Disposition: "attachment", DispositionParams: map[string]string{"filename": "../../r\u00e9sum\u00e9.pdf"}},
		{ID: "3", Type: "text/csv", Params: map[string]string{"name": "a.csv"}},
		{ID: "4", Type: "message/rfc822", Parts: []*Part{
			{ID: "4.1", Type: "text/plain", Disposition: "attachment"},
		}},
		{ID: "5", Type: "text/plain", Disposition: "inline"},
	}}
}

func TestPartWalks(t *testing.T) {
	var ids []string
	for p := range sample().All() {
		ids = append(ids, p.ID)
	}
	assert.Equal(t, []string{"", "1", "1.1", "1.1.1", "1.1.2", "1.2", "2", "3", "4", "4.1", "5"}, ids)
	for range sample().All() {
		break
	}
	var none *Part
	for range none.All() {
		t.Error("a nil part yields something")
	}
	assert.Equal(t, "text/html", sample().Find("1.1.2").Type)
	assert.Equal(t, "multipart/mixed", sample().Find("").Type)
	assert.Nil(t, sample().Find("9"))
}

func TestAttachments(t *testing.T) {
	var ids []string
	for _, p := range sample().Attachments() {
		ids = append(ids, p.ID)
	}
	assert.Equal(t, []string{"2", "3", "4"}, ids)
	assert.Empty(t, (*Part)(nil).Attachments())
	for _, attached := range []*Part{
		{Type: "application/pdf"}, // a message that is nothing but a file
		{Type: "application/pdf", Disposition: "inline", ContentID: "x", Params: map[string]string{"name": "x.pdf"}},
		{Type: "message/rfc822", Disposition: "inline"},
		{Type: "image/png", Params: map[string]string{"name": "photo.png"}},
		{Type: "image/png", Disposition: "inline", DispositionParams: map[string]string{"filename": "photo.png"}},
		{Type: "text/plain", Disposition: "x-unheard-of"},
	} {
		assert.Len(t, attached.Attachments(), 1, "%+v", attached)
	}
	for _, shown := range []*Part{
		{Type: "text/plain", Disposition: "inline"},
		{Type: "text/calendar"},
		{Type: "image/png", ContentID: "x", Params: map[string]string{"name": "logo.png"}},
		{Type: "image/png", Disposition: "inline"},
	} {
		assert.Empty(t, shown.Attachments(), "%+v", shown)
	}
	assert.Empty(t, (&Summary{}).Attachments())
}

func TestText(t *testing.T) {
	assert.Equal(t, "1.1.1", sample().Text().ID)
	html := &Part{Type: "multipart/mixed", Parts: []*Part{
		{ID: "1", Type: "text/html"},
		{ID: "2", Type: "text/plain", Disposition: "attachment"},
		{ID: "3", Type: "text/plain", Params: map[string]string{"name": "notes.txt"}},
	}}
	assert.Equal(t, "1", html.Text().ID)
	assert.Nil(t, (&Part{Type: "image/png"}).Text())
	assert.Nil(t, (*Part)(nil).Text())
}

func TestFilename(t *testing.T) {
	pdf := sample().Find("2")
	assert.Equal(t, "../../r\u00e9sum\u00e9.pdf", pdf.Filename())
	assert.NotContains(t, pdf.SafeName(), "/")
	assert.NotEmpty(t, (&Part{}).SafeName())
}
