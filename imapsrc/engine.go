package imapsrc

import (
	"errors"
	"fmt"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postroom-go/postroom/internal/sasl"
	"github.com/postroom-go/postroom/mailbox"
)

// This file is all that knows the engine, go-imap's client. It does what writes
// secrets, literals and changes: LOGIN, AUTHENTICATE, STORE, UID EXPUNGE and
// APPEND. What servers say about messages is read past it.

// startEngine makes the engine over the guarded connection. It is told what the
// server offers, so that it need not ask.
func (s *session) startEngine() {
	caps := s.offered.list()
	if s.m.learnt.noInlineIR.Load() {
		caps = s.offered.without("SASL-IR").list()
	}
	s.client = imapclient.New(s.wire.Engine(caps), nil)
}

func (s *session) engineLogin(user, password string) error {
	return s.engineError(s.client.Login(user, password).Wait(), phaseLogin)
}

// engineAuthenticate runs a SASL exchange. After a failure that is no clean
// refusal the exchange may still be open at the server, and the connection is
// not used again.
func (s *session) engineAuthenticate(client *sasl.Client) error {
	err := s.client.Authenticate(client)
	if err == nil {
		if err := client.Verified(); err != nil {
			return s.net.Fail(err)
		}
		return nil
	}
	var status *imap.Error
	if !errors.As(err, &status) {
		if s.broken() == nil {
			return s.net.Fail(err)
		}
		return s.engineError(err, phaseLogin)
	}
	if status.Type == imap.StatusResponseTypeBad && s.offered["SASL-IR"] && !s.m.learnt.noInlineIR.Load() {
		return s.net.Fail(errNoInlineIR)
	}
	err = s.engineError(err, phaseLogin)
	if why := s.m.secrets.Redact(client.Reason()); why != "" {
		err = fmt.Errorf("%w (%q)", err, why)
	}
	return err
}

// engineError gives an error of the engine its meaning.
func (s *session) engineError(err error, ph phase) error {
	if err == nil {
		return nil
	}
	var status *imap.Error
	if errors.As(err, &status) { // after some the engine hangs up, too
		return s.refusal(string(status.Type), string(status.Code), status.Text, ph)
	}
	if why := s.broken(); why != nil {
		return s.reason(why, ph)
	}
	// It has closed its end, or is out of step.
	return s.net.Fail(fmt.Errorf("%w: %w", mailbox.ErrProtocol, err))
}

// storeOp is how STORE changes flags.
type storeOp = imap.StoreFlagsOp

const (
	storeReplace = imap.StoreFlagsSet
	storeAdd     = imap.StoreFlagsAdd
	storeRemove  = imap.StoreFlagsDel
)

// engineStore changes the flags of messages of the selected folder. Those that
// are gone are left out.
func (s *session) engineStore(uids []uint32, op storeOp, flags []mailbox.Flag) error {
	store := &imap.StoreFlags{Op: op, Silent: true}
	for _, f := range flags {
		store.Flags = append(store.Flags, imap.Flag(f))
	}
	err := s.engineError(s.client.Store(uidSet(uids), store, nil).Close(), phaseOther)
	var status *StatusError
	if errors.As(err, &status) && status.Code == "EXPUNGEISSUED" {
		return nil // the others were changed (RFC 5530)
	}
	return err
}

// engineExpunge removes messages that are marked \Deleted, and no others.
func (s *session) engineExpunge(uids []uint32) error {
	return s.engineError(s.client.UIDExpunge(uidSet(uids)).Close(), phaseOther)
}

func uidSet(uids []uint32) imap.UIDSet {
	var set imap.UIDSet
	for _, uid := range uids {
		set.AddNum(imap.UID(uid))
	}
	return set
}

// engineAppend runs an APPEND; uid and epoch are 0 if the server does not tell.
// Whatever ends it early must end the connection, too: the next command would
// become part of the message.
func (s *session) engineAppend(a *appending) (uid, epoch uint32, err error) {
	opts := &imap.AppendOptions{Time: a.opts.Received}
	for _, f := range a.opts.Flags {
		opts.Flags = append(opts.Flags, imap.Flag(f))
	}
	cmd := s.client.Append(a.folder, a.size, opts)
	cerr := a.copy(cmd)
	if cerr != nil && a.readErr != nil {
		s.drop(a.readErr)
	}
	if err := cmd.Close(); cerr == nil {
		cerr = err
	}
	data, err := cmd.Wait()
	switch {
	case err != nil:
		return 0, 0, s.engineError(err, phaseAppend)
	case cerr != nil:
		return 0, 0, s.engineError(cerr, phaseAppend)
	case s.broken() != nil:
		return 0, 0, s.reason(s.broken(), phaseAppend)
	}
	return uint32(data.UID), data.UIDValidity, nil
}
