package compose

import (
	"mime"
	"path"
	"strings"
)

const octetStream = "application/octet-stream"

// typeOf gives the media type of a file by its name. The table is our own:
// mime.TypeByExtension reads the system's, and would make another message on
// another machine.
func typeOf(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".txt", ".log", ".text":
		return "text/plain"
	case ".htm", ".html":
		return "text/html"
	case ".csv":
		return "text/csv"
	case ".css":
		return "text/css"
	case ".md":
		return "text/markdown"
	case ".ics":
		return "text/calendar"
	case ".vcf":
		return "text/vcard"
	case ".diff", ".patch":
		return "text/x-patch"
	case ".eml":
		return "message/rfc822"
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".webp":
		return "image/webp"
	case ".svg":
		return "image/svg+xml"
	case ".avif":
		return "image/avif"
	case ".heic":
		return "image/heic"
	case ".tif", ".tiff":
		return "image/tiff"
	case ".mp3":
		return "audio/mpeg"
	case ".ogg", ".opus":
		return "audio/ogg"
	case ".wav":
		return "audio/wav"
	case ".m4a":
		return "audio/mp4"
	case ".mp4", ".m4v":
		return "video/mp4"
	case ".webm":
		return "video/webm"
	case ".mov":
		return "video/quicktime"
	}
	return application(strings.ToLower(path.Ext(name)))
}

func application(ext string) string {
	const office = "application/vnd.openxmlformats-officedocument."
	switch ext {
	case ".pdf":
		return "application/pdf"
	case ".zip":
		return "application/zip"
	case ".gz", ".tgz":
		return "application/gzip"
	case ".json":
		return "application/json"
	case ".xml":
		return "application/xml"
	case ".js", ".mjs":
		return "text/javascript"
	case ".rtf":
		return "application/rtf"
	case ".doc":
		return "application/msword"
	case ".xls":
		return "application/vnd.ms-excel"
	case ".ppt":
		return "application/vnd.ms-powerpoint"
	case ".docx":
		return office + "wordprocessingml.document"
	case ".xlsx":
		return office + "spreadsheetml.sheet"
	case ".pptx":
		return office + "presentationml.presentation"
	case ".odt":
		return "application/vnd.oasis.opendocument.text"
	case ".ods":
		return "application/vnd.oasis.opendocument.spreadsheet"
	case ".odp":
		return "application/vnd.oasis.opendocument.presentation"
	case ".epub":
		return "application/epub+zip"
	case ".asc", ".sig":
		return "application/pgp-signature"
	case ".p7s":
		return "application/pkcs7-signature"
	case ".wasm":
		return "application/wasm"
	}
	return octetStream
}

// mediaType reads the type that an attachment has been given.
func mediaType(field, value, name string) (string, []param, error) {
	if value == "" {
		return typeOf(name), nil, nil
	}
	t, params, err := mime.ParseMediaType(value)
	major, minor, ok := strings.Cut(t, "/")
	switch {
	case err != nil || !ok || !isToken(major) || !isToken(minor) || len(t) > 127:
		return "", nil, invalid(field, "is no media type: write it as \"text/csv\" or \"text/csv; charset=utf-8\"")
	case major == "multipart":
		return "", nil, invalid(field, "is a multipart, which is no file")
	}
	sorted := sortedParams(params)
	for _, p := range sorted {
		if err := checkText(field, p.value); err != nil {
			return "", nil, err
		}
		if len(p.name) > maxParam || len(p.value) > 1000 {
			return "", nil, invalid(field, "has a parameter longer than 1,000 octets, or a name of one longer than 60")
		}
	}
	return t, sorted, nil
}
