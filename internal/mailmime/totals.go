package mailmime

import "strings"

// DefectTotals says that not all of a message's inner headers is told.
const DefectTotals = "structure: too many header fields or addresses in all"

// totals is how much of one message may still be kept. Each header section has
// limits of its own, but a message may have thousands of them, and a field, a
// parameter or an address takes far more memory than the few octets that make
// it. They bound what is kept, not what is read: where the parts are does not
// depend on them.
type totals struct {
	fields, params, addresses int
}

// keepHeader gives a copy of h to be kept, without the fields that are over a
// total.
func (w *walker) keepHeader(h *Header) *Header {
	fields := h.Fields
	if len(fields) > w.left.fields {
		w.defects.add(DefectTotals)
		fields = fields[:w.left.fields]
	}
	w.left.fields -= len(fields)
	kept := &Header{Fields: make([]Field, 0, len(fields)), Defects: h.Defects}
	for _, f := range fields {
		n := min(addressCount(f), w.lim.Addresses)
		if n > w.left.addresses {
			w.defects.add(DefectTotals)
			continue
		}
		w.left.addresses -= n
		kept.Fields = append(kept.Fields, f)
	}
	return kept
}

// keepParams decodes the parameters that are not over the total.
func (w *walker) keepParams(pairs [][2]string, cs CharsetReader) map[string]string {
	if len(pairs) > w.left.params {
		w.defects.add(DefectParams)
		pairs = pairs[:w.left.params]
	}
	w.left.params -= len(pairs)
	return decodeParams(pairs, cs, len(pairs))
}

// keepLanguages gives the language tags that are not over the total of
// parameters.
func (w *walker) keepLanguages(raw string) []string {
	all := languages(raw)
	if len(all) > w.left.params {
		w.defects.add(DefectParams)
		all = append([]string(nil), all[:w.left.params]...)
	}
	w.left.params -= len(all)
	return all
}

// addressFields are the fields of a list of addresses.
var addressFields = []string{"To", "Cc", "Bcc", "From", "Sender", "Reply-To"}

// addressCount gives how many addresses or message IDs a field can have at the
// most, by what separates them; 0 for other fields. It reads nothing: names with
// commas count for more.
func addressCount(f Field) int {
	if isName(f.Name, "In-Reply-To") {
		return 1 + strings.Count(f.Value, "<") + strings.Count(f.Value, "@")
	}
	for _, name := range addressFields {
		if isName(f.Name, name) {
			return 1 + strings.Count(f.Value, ",") + strings.Count(f.Value, ";") + strings.Count(f.Value, "<")
		}
	}
	return 0
}
