package sinktest

import (
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRun runs the suite as a sender's author does.
func TestRun(t *testing.T) {
	Run(t, Config{New: func(testing.TB) *Harness { return harness(flaws{}) }})
}

// failedCases gives the cases that fail, with what they say.
func failedCases(tb testing.TB, cfg Config) map[string][]string {
	failed := map[string][]string{}
	for _, c := range allCases() {
		if cfg.notApplicable(c) != "" {
			continue
		}
		if failures := cfg.runCase(tb, c); len(failures) > 0 {
			failed[c.Name] = failures
		}
	}
	return failed
}

// TestBroken shows that the suite finds what it is meant to find: those cases and
// no others.
func TestBroken(t *testing.T) {
	for _, b := range []struct {
		name  string
		bad   flaws
		fails []string
	}{
		{"Bcc is sent", flaws{keepsBcc: true}, []string{"bcc/absent", "bcc/envelope", "whole/readers"}},
		{"LF alone is sent", flaws{bareLF: true}, []string{"bcc/absent", "whole/dots", "whole/line-ends", "whole/no-final-newline", "whole/one-message"}},
		{"a message ends where its reader fails", flaws{sendsPart: true}, []string{"reader/fails", "reader/next"}},
		{"a lost answer has it sent again", flaws{resends: true}, []string{"unknown/lost-answer", "unknown/large", "unknown/next"}},
		{"the reader is closed", flaws{closesReader: true}, []string{"reader/not-closed"}},
		{"recipients are left over", flaws{leaksRecipients: true}, []string{"refused/next"}},
		{"recipients are sorted", flaws{sortsRecipients: true}, []string{"receipt/accepted"}},
		{"addresses are trusted", flaws{trustsAddresses: true}, []string{"envelope/bad-address"}},
		{"the receipt is nil", flaws{nilReceipt: true}, []string{"receipt/never-nil"}},
		{"whoever is left gets it", flaws{partialByDefault: true}, []string{"refused/all-or-nothing"}},
		{"errors are bare", flaws{plainErrors: true}, []string{"errors/typed"}},
		{"a stuck reader has Send stuck", flaws{stuck: true}, []string{"close/stuck-reader", "context/stuck-reader"}},
		{"nobody knows counts as not sent", flaws{lies: true}, []string{"unknown/close-waiting", "unknown/large", "unknown/lost-answer", "unknown/next", "unknown/waiting"}},
		{"Close works once", flaws{closeOnce: true}, []string{"close/twice"}},
		{"all is read ahead", flaws{slurps: true}, []string{"whole/streamed"}},
		{"messages get one another's recipients", flaws{mixesUp: true}, []string{"concurrency/many"}},
		{"errors tell the password", flaws{tellsSecret: true}, []string{"errors/no-secret"}},
		{"options are ignored", flaws{ignoresOptions: true}, []string{"options/invalid"}},
		{"the envelope is changed", flaws{changesEnvelope: true}, []string{"envelope/unchanged"}},
		{"NUL ends a message", flaws{upToNUL: true}, []string{"whole/nul"}},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			failed := failedCases(t, config(b.bad))
			if b.bad.mixesUp {
				// These two have several messages under way if chance has it.
				delete(failed, "concurrency/close")
				delete(failed, "context/others")
			}
			got := slices.Sorted(maps.Keys(failed))
			slices.Sort(b.fails)
			if !assert.Equal(t, b.fails, got) {
				for name, why := range failed {
					t.Logf("%s: %.300q", name, why)
				}
			}
		})
	}
}

// TestOdd runs the suite on senders that are odd and right.
func TestOdd(t *testing.T) {
	for name, odd := range map[string]oddity{
		"one copy for each": {perRecipient: true}, "one at a time": {serial: true}, "seven bits": {sevenBit: true},
		"short lines": {shortLines: true}, "taciturn": {taciturn: true},
		"all of it": {true, true, true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Empty(t, failedCases(t, config(flaws{oddity: odd})))
		})
	}
}

// TestWithout runs the suite without each function of Harness in turn: no case may
// need one that it does not name.
func TestWithout(t *testing.T) {
	for _, lever := range levers() {
		t.Run(lever, func(t *testing.T) {
			t.Parallel()
			cfg := config(flaws{})
			cfg.Without = map[string]string{lever: "for the test"}
			cfg.New = func(testing.TB) *Harness {
				h := harness(flaws{})
				reflect.ValueOf(h).Elem().FieldByName(lever).SetZero()
				return h
			}
			assert.Empty(t, failedCases(t, cfg))
		})
	}
}

// TestCases checks the rows themselves.
func TestCases(t *testing.T) {
	seen, used := map[string]bool{}, map[string]bool{}
	for _, c := range allCases() {
		assert.Regexp(t, `^[a-z]+/[a-z0-9-]+$`, c.Name)
		assert.False(t, seen[c.Name], c.Name)
		assert.True(t, strings.HasSuffix(c.Why, "."), "%s: %s", c.Name, c.Why)
		seen[c.Name] = true
		if c.Needs != "" {
			assert.Contains(t, levers(), c.Needs)
			used[c.Needs] = true
		}
	}
	assert.Greater(t, len(seen), 60)
	assert.Len(t, used, len(levers()))
}

func TestProblems(t *testing.T) {
	good := config(flaws{})
	assert.Empty(t, good.problems(allCases()))
	for want, cfg := range map[string]Config{
		"Config.New is nil":     {},
		"there is no such case": {New: good.New, Known: map[string]string{"whole/wings": "no wings"}},
		"has no reason":         {New: good.New, Known: map[string]string{"whole/octets": ""}},
		"want one of":           {New: good.New, Without: map[string]string{"Wings": "no wings"}},
		`["StallAnswer"] = ""`:  {New: good.New, Without: map[string]string{"StallAnswer": ""}},
		"does not run at all": {New: good.New, Known: map[string]string{"unknown/waiting": "never"},
			Without: map[string]string{"StallAnswer": "it cannot"}},
	} {
		assert.Contains(t, strings.Join(cfg.problems(allCases()), "\n"), want)
	}

	assert.Empty(t, good.harnessProblems(harness(flaws{})))
	assert.NotEmpty(t, good.harnessProblems(nil))
	few := harness(flaws{})
	few.Recipients[1] = few.Recipients[0]
	assert.Contains(t, good.harnessProblems(few)[0], "99 different addresses")
	part := harness(flaws{})
	part.LoseAnswer = nil
	assert.Contains(t, good.harnessProblems(part)[0], "LoseAnswer is nil")
	good.Without = map[string]string{"LoseAnswer": "it cannot"}
	assert.Empty(t, good.harnessProblems(part))
	assert.Contains(t, good.harnessProblems(harness(flaws{}))[0], "says that it cannot be")
}

// quiet is a testing.TB that notes what it is told.
type quiet struct {
	testing.TB
	failed, logged []string
}

func (q *quiet) Errorf(format string, args ...any) { q.failed = append(q.failed, format) }
func (q *quiet) Logf(format string, args ...any)   { q.logged = append(q.logged, format) }

// TestKnown checks what becomes of a case that is known to fail.
func TestKnown(t *testing.T) {
	at := slices.IndexFunc(allCases(), func(c testCase) bool { return c.Name == "reader/not-closed" })
	require.GreaterOrEqual(t, at, 0)
	c := allCases()[at]
	for _, k := range []struct {
		bad   flaws
		known map[string]string
		want  outcome
	}{
		{flaws{}, nil, passed},
		{flaws{closesReader: true}, nil, failed},
		{flaws{closesReader: true}, map[string]string{c.Name: "it does"}, knownFailure},
		{flaws{}, map[string]string{c.Name: "it does"}, failed},
	} {
		cfg := config(k.bad)
		cfg.Known = k.known
		q := &quiet{TB: t}
		got := cfg.judge(q, c)
		assert.Equal(t, k.want, got)
		assert.Equal(t, got == failed, len(q.failed) > 0)
	}
	sum := &summary{}
	sum.add(c, knownFailure)
	sum.skip(c, "no reason")
	assert.Equal(t, "sinktest: 0 cases passed, 0 failed, 1 fail as is known, 1 did not run\n"+
		"  reader/not-closed fails, as is known\n  reader/not-closed did not run: no reason", sum.String())
}

// TestFlow checks the generated message.
func TestFlow(t *testing.T) {
	for _, size := range []int{500, 1000, 65_536, 300_000} {
		raw := flowed(size)
		assert.Len(t, raw, size)
		assert.Equal(t, raw, normal(string(raw)))
		assert.Equal(t, raw, flowed(size))
		for line := range strings.Lines(string(raw)) {
			assert.LessOrEqual(t, len(line), 1000)
		}
	}
	f := newFlow(300_000)
	_, err := io.CopyN(io.Discard, f, 1000)
	require.NoError(t, err)
	assert.Equal(t, int64(1000), f.given.Load())
}
