package outbox

import "time"

// Options are the options of Open. Nil and zero are what RFC 5321 section
// 4.5.4.1 asks for.
type Options struct {
	// RetryMin and RetryMax bound the time until a message that was refused for
	// now, or could not be sent, is tried again: it doubles with each try, and up
	// to a quarter of it is added at random. 0 is a minute, and an hour.
	RetryMin, RetryMax time.Duration
	// Lifetime is how long a message is tried, from when it was enqueued or from
	// EnqueueOptions.NotBefore on; then it is dead. 0 is five days. It bounds the
	// tries to file a copy as well.
	Lifetime time.Duration
	// Remember is how long EnqueueOptions.Key is remembered after its message
	// has left the outbox. 0 is thirty days.
	Remember time.Duration

	off off // for tests
}

// off switches defences off, to show in tests what they are for.
type off struct {
	intent   bool // hand messages over without a word in the journal
	wait     bool // do not wait for the disk before the last octets
	recovery bool // forget that a message was being handed over
	whole    bool // do not look whether a file is whole
	gone     bool // do not wait for the disk before a file is removed
	keys     bool // forget keys of what is gone
	again    bool // send to all recipients again
	doubt    bool // do not ask what the journal has forgotten
}

func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	set := func(v *time.Duration, usual time.Duration) {
		if *v <= 0 {
			*v = usual
		}
	}
	set(&d.RetryMin, time.Minute)
	set(&d.RetryMax, time.Hour)
	set(&d.Lifetime, 5*24*time.Hour)
	set(&d.Remember, 30*24*time.Hour)
	d.RetryMax = max(d.RetryMin, d.RetryMax)
	return d
}
