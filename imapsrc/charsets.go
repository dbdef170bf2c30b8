package imapsrc

import (
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/charset"
)

// newCharsetReader decodes what is in headers.
var newCharsetReader mailbox.CharsetReader = charset.NewReader
