package imapwire

// fields takes the elements of a list one by one; behind the last there are
// NILs.
type fields struct {
	list Value
	at   Value
	ok   bool
}

func fieldsOf(list Value) fields {
	f := fields{list: list}
	f.at, f.ok = list.first()
	return f
}

func (f *fields) more() bool { return f.ok }

// peek is the next element, ahead the one behind it.
func (f *fields) peek() Value {
	if !f.ok {
		return Value{}
	}
	return f.at
}

func (f *fields) ahead() Value {
	g := *f
	g.take()
	return g.peek()
}

func (f *fields) take() Value {
	v := f.peek()
	if f.ok {
		f.at, f.ok = f.list.after(f.at)
	}
	return v
}

// left is how many elements are left.
func (f *fields) left() int {
	g, n := *f, 0
	for g.ok {
		g.take()
		n++
	}
	return n
}

// disposition reports whether the next element looks like a disposition, a word
// and a list of parameters or NIL, where something else should be.
func (f *fields) disposition() bool {
	v := f.peek()
	if v.Kind() != ListKind {
		return false
	}
	g := fieldsOf(v)
	word, params := g.take(), g.take()
	return word.Kind() == StringKind && (params.Kind() == ListKind || params.IsNil()) && !g.more()
}

// envelope reports whether the next element looks like an envelope.
func (f *fields) envelope() bool {
	g := fieldsOf(f.peek())
	return g.left() > 2
}
