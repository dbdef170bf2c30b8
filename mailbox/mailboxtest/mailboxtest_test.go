package mailboxtest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/memory"
)

// TestRun runs the suite as a driver's author does.
func TestRun(t *testing.T) {
	cfg := config(wiredCaps(), nil)
	cfg.LargeSize = 256 << 10
	Run(t, cfg)
}

// TestEachCapabilityOff runs the suite with each capability off in turn.
func TestEachCapabilityOff(t *testing.T) {
	n := 0
	for name, v := range wiredCaps().All() {
		if v != true {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			caps := wiredCaps()
			clearCap(&caps, name)
			assert.Empty(t, failedCases(t, config(caps, nil)))
		})
	}
	assert.Equal(t, 12, n)
}

// clearCap switches a capability off, and those that mean nothing without it.
func clearCap(caps *mailbox.Caps, name string) {
	v := reflect.ValueOf(caps).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("json") == name {
			v.Field(i).SetZero()
		}
	}
	caps.Keywords = caps.Keywords && caps.Flags
	caps.AppendID = caps.AppendID && caps.Append
	caps.Delete = caps.Delete && caps.StableIDs
}

// TestFlavours runs the suite on accounts with little.
func TestFlavours(t *testing.T) {
	bare := popCaps()
	bare.StableIDs, bare.Delete, bare.Envelopes, bare.Headers = false, false, false, false
	limited := wiredCaps()
	limited.AppendLimit = 150_000
	exclusive := wiredCaps()
	exclusive.Exclusive = true
	for name, caps := range map[string]mailbox.Caps{
		"pop3":              popCaps(),
		"pop3 without UIDL": bare,
		"append limit":      limited,
		"exclusive":         exclusive,
		"nothing":           {Protocol: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Empty(t, failedCases(t, config(caps, nil)))
		})
	}
}

// TestCases checks the rows themselves.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range allCases() {
		assert.Regexp(t, `^[a-z]+/[a-z0-9-]+$`, c.Name)
		assert.False(t, seen[c.Name], c.Name)
		assert.True(t, strings.HasSuffix(c.Why, "."), "%s: %s", c.Name, c.Why)
		seen[c.Name] = true
		for _, need := range c.Needs {
			if isHook(need) {
				assert.Contains(t, optionalHooks(), need)
			} else {
				assert.NotPanics(t, func() { capSet(mailbox.Caps{}, strings.TrimPrefix(need, "!")) })
			}
		}
	}
	assert.Greater(t, len(seen), 150)
	assert.Panics(t, func() { capSet(mailbox.Caps{}, "wings") })
}

// TestEveryCapabilityCounts checks that each capability has a case for when it
// is set and one for when it is clear, or a field that is told or not.
func TestEveryCapabilityCounts(t *testing.T) {
	needs := map[string]bool{}
	for _, c := range allCases() {
		for _, need := range c.Needs {
			needs[need] = true
		}
	}
	for _, name := range []string{"stable_ids", "flags", "keywords", "delete", "append", "append_id", "folders"} {
		assert.True(t, needs[name], name)
		assert.True(t, needs["!"+name], "!"+name)
	}
}

func TestConfigProblems(t *testing.T) {
	good := config(memory.AllCaps(), nil)
	assert.Empty(t, good.problems(allCases()))
	for want, cfg := range map[string]Config{
		"Config.New is nil":       {},
		"there is no such case":   {New: good.New, Known: map[string]string{"list/wings": "no wings"}},
		"has no reason":           {New: good.New, Known: map[string]string{"list/empty": ""}},
		"does not run at all":     {New: good.New, Known: map[string]string{"delete/exact": "never"}},
		"want one of":             {New: good.New, Without: map[string]string{"Wings": "no wings"}},
		`Config.Without["NewEp`:   {New: good.New, Without: map[string]string{"NewEpoch": ""}},
		`["CreateFolder"] = ""`:   {New: good.New, Without: map[string]string{"CreateFolder": ""}},
		"this account has no use": {New: good.New, Known: map[string]string{"reconnect/idle": "never"}},
	} {
		assert.Contains(t, strings.Join(cfg.problems(allCases()), "\n"), want)
	}
}

func TestInstanceProblems(t *testing.T) {
	cfg := config(wiredCaps(), nil)
	whole := cfg.New(t)
	assert.Empty(t, cfg.instanceProblems(whole))
	assert.NotEmpty(t, cfg.instanceProblems(nil))
	assert.NotEmpty(t, cfg.instanceProblems(&Instance{Box: whole.Box}))

	for _, hook := range optionalHooks() {
		part := *whole
		reflect.ValueOf(&part).Elem().FieldByName(hook).SetZero()
		require.Len(t, cfg.instanceProblems(&part), 1, hook)
		cfg := cfg
		cfg.Without = map[string]string{hook: "cannot be"}
		assert.Empty(t, cfg.instanceProblems(&part), hook)
		assert.Len(t, cfg.instanceProblems(whole), 1, hook)
	}
	// A local store without folders needs neither an Interrupt nor a
	// CreateFolder, and no reason for it.
	local := Config{New: func(testing.TB) *Instance { return nil }, Without: map[string]string{"NewEpoch": "there are no epochs"}}
	part := *whole
	part.CreateFolder, part.Interrupt, part.NewEpoch = nil, nil, nil
	assert.Empty(t, local.instanceProblems(&part))
	failures, _ := local.runCase(t, testCase{Run: func(*tester) {}})
	assert.NotEmpty(t, failures)
}

// TestWithout checks that the cases that cannot run are said, each by its name.
func TestWithout(t *testing.T) {
	cfg := config(wiredCaps(), nil)
	cfg.Without = map[string]string{"NewEpoch": "the moon is in the wrong quarter"}
	sum := &summary{}
	for _, c := range allCases() {
		if reason := cfg.notApplicable(c); reason != "" {
			sum.skip(c, reason)
		} else {
			sum.add(c, passed)
		}
	}
	text := sum.String()
	assert.Contains(t, text, "stale/new-epoch did not run: no NewEpoch: the moon is in the wrong quarter")
	assert.Contains(t, text, fmt.Sprintf("%d cases passed, 0 failed, 0 fail as is known, %d did not run", sum.count[passed], len(sum.absent)))
	assert.Equal(t, len(allCases()), sum.count[passed]+len(sum.absent))
}

// TestCheck runs the read-only part on accounts with and without mail, and
// checks that it changes nothing.
func TestCheck(t *testing.T) {
	for _, caps := range []mailbox.Caps{wiredCaps(), popCaps(), {Protocol: "none"}} {
		cfg := config(caps, nil)
		inst := cfg.New(t)
		require.NoError(t, Check(t.Context(), inst.Box))
		for _, s := range seeds(largeSeed(smallLarge)) {
			require.NoError(t, inst.Deliver(mailbox.Inbox, s.raw))
		}
		before, err := collect(inst.Box.List(t.Context(), "", &mailbox.ListOptions{Fields: mailbox.AllFields}))
		require.NoError(t, err)
		require.NoError(t, Check(t.Context(), inst.Box))
		after, err := collect(inst.Box.List(t.Context(), "", &mailbox.ListOptions{Fields: mailbox.AllFields}))
		require.NoError(t, err)
		assert.Equal(t, before, after)
		require.NoError(t, inst.Box.Close())
		assert.ErrorContains(t, Check(t.Context(), inst.Box), "check/ids: ")
	}
}

// TestCheckEnds checks that Check ends with its context.
func TestCheckEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cfg := config(wiredCaps(), nil)
	assert.ErrorIs(t, Check(ctx, cfg.New(t).Box), context.Canceled)
}

// fakeTB records what judge says of a case.
type fakeTB struct {
	testing.TB
	errors, logs []string
}

func (f *fakeTB) Helper() {}
func (f *fakeTB) Errorf(format string, a ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, a...))
}
func (f *fakeTB) Logf(format string, a ...any) { f.logs = append(f.logs, fmt.Sprintf(format, a...)) }

func TestJudge(t *testing.T) {
	good := testCase{Name: "a/good", Why: "Good is good.", Run: func(*tester) {}}
	bad := testCase{Name: "a/bad", Why: "Bad is bad.", Run: func(t *tester) { t.Fatalf("it is %s", "bad") }}
	panics := testCase{Name: "a/panic", Why: "Panics are bad.", Run: func(*tester) { panic("at the disco") }}
	cfg := config(wiredCaps(), nil)

	tb := &fakeTB{TB: t}
	assert.Equal(t, passed, cfg.judge(tb, good))
	assert.Empty(t, tb.errors)

	assert.Equal(t, failed, cfg.judge(tb, bad))
	require.Len(t, tb.errors, 1)
	assert.Regexp(t, `^rule: Bad is bad\.\nmailboxtest_test\.go:\d+: it is bad$`, tb.errors[0])

	tb = &fakeTB{TB: t}
	assert.Equal(t, failed, cfg.judge(tb, panics))
	require.Len(t, tb.errors, 1)
	assert.Contains(t, tb.errors[0], "panic: at the disco")

	idle := testCase{Name: "a/idle", Why: "Idle is idle.", Run: func(t *tester) { t.nothing("it rains") }}
	tb = &fakeTB{TB: t}
	o := cfg.judge(tb, idle)
	assert.Equal(t, provedNothing, o)
	assert.Equal(t, []string{"proves nothing: it rains"}, tb.logs)
	sum := &summary{}
	sum.add(idle, o)
	sum.add(good, passed)
	assert.Contains(t, sum.String(), "1 cases passed, 0 failed, 0 fail as is known, 0 did not run, 1 proved nothing")
	assert.Contains(t, sum.String(), "a/idle ran and proved nothing")

	cfg.Known = map[string]string{"a/good": "rain", "a/bad": "snow"}
	tb = &fakeTB{TB: t}
	assert.Equal(t, knownFailure, cfg.judge(tb, bad))
	assert.Empty(t, tb.errors)
	assert.Contains(t, strings.Join(tb.logs, ""), "known failure: snow")
	assert.Equal(t, failed, cfg.judge(tb, good))
	assert.Contains(t, strings.Join(tb.errors, ""), "passes, though Config.Known says that it fails: rain")
}

// names are the sorted keys of a set of failures.
func names(failed map[string][]string) []string { return slices.Sorted(maps.Keys(failed)) }

func BenchmarkMemory(b *testing.B) { RunBenchmarks(b, config(wiredCaps(), nil)) }
