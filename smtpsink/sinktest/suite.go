package sinktest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// testCase is one row of the suite.
type testCase struct {
	// Name is group/case.
	Name string
	// Why is the rule in one sentence, with its RFC section if it has one.
	Why string
	// Needs is the function of Harness that it uses; empty is none.
	Needs string
	// Run does it.
	Run func(t *tester)
}

// allCases is the suite, in its order.
func allCases() []testCase {
	return slices.Concat(wholeCases(), bccCases(), envelopeCases(), receiptCases(), refusedCases(), unknownCases(),
		readerCases(), optionCases(), contextCases(), closeCases(), concurrencyCases(), errorCases())
}

// levers are the fields of Harness that may be nil.
func levers() []string {
	return []string{"RefuseRecipient", "RefuseMessage", "LoseAnswer", "CutMessage", "StallMessage", "StallAnswer"}
}

// minRecipients is how many a Harness must have.
const minRecipients = 100

// problems says what is wrong with the configuration itself.
func (cfg *Config) problems(cases []testCase) []string {
	var all []string
	if cfg.New == nil {
		all = append(all, "Config.New is nil")
	}
	for lever, reason := range cfg.Without {
		if !slices.Contains(levers(), lever) || reason == "" {
			all = append(all, fmt.Sprintf("Config.Without[%q] = %q: want one of %v, and a reason", lever, reason, levers()))
		}
	}
	for name, reason := range cfg.Known {
		at := slices.IndexFunc(cases, func(c testCase) bool { return c.Name == name })
		switch {
		case at < 0:
			all = append(all, fmt.Sprintf("Config.Known[%q]: there is no such case", name))
		case reason == "":
			all = append(all, fmt.Sprintf("Config.Known[%q] has no reason", name))
		case cfg.notApplicable(cases[at]) != "":
			all = append(all, fmt.Sprintf("Config.Known[%q]: the case does not run at all: %s", name, cfg.notApplicable(cases[at])))
		}
	}
	slices.Sort(all)
	return all
}

// harnessProblems says what is wrong with a Harness.
func (cfg *Config) harnessProblems(h *Harness) []string {
	if h == nil || h.Sender == nil || h.Delivered == nil || h.From == "" {
		return []string{"Config.New must fill Sender, From, Recipients and Delivered"}
	}
	var all []string
	if distinct := len(slices.Compact(slices.Sorted(slices.Values(h.Recipients)))); distinct < minRecipients {
		all = append(all, fmt.Sprintf("Harness.Recipients has %d different addresses, want %d", distinct, minRecipients))
	}
	for _, lever := range levers() {
		missing := reflect.ValueOf(h).Elem().FieldByName(lever).IsNil()
		switch reason := cfg.Without[lever]; {
		case missing && reason == "":
			all = append(all, fmt.Sprintf("Harness.%s is nil, and Config.Without does not say why", lever))
		case !missing && reason != "":
			all = append(all, fmt.Sprintf("Harness.%s is there, and Config.Without says that it cannot be", lever))
		}
	}
	return all
}

// notApplicable says why a case does not run; "" if it does.
func (cfg *Config) notApplicable(c testCase) string {
	if reason := cfg.Without[c.Needs]; c.Needs != "" && reason != "" {
		return "no " + c.Needs + ": " + reason
	}
	return ""
}

// outcome is how a case ended.
type outcome int

const (
	passed outcome = iota
	failed
	knownFailure
)

// judge runs one case and reports it to tb.
func (cfg *Config) judge(tb testing.TB, c testCase) outcome {
	tb.Helper()
	failures := cfg.runCase(tb, c)
	reason, known := cfg.Known[c.Name]
	switch {
	case known && len(failures) > 0:
		tb.Logf("known failure: %s\n%s", reason, strings.Join(failures, "\n"))
		return knownFailure
	case known:
		tb.Errorf("passes, though Config.Known says that it fails: %s", reason)
		return failed
	case len(failures) > 0:
		tb.Errorf("rule: %s\n%s", c.Why, strings.Join(failures, "\n"))
		return failed
	}
	return passed
}

func (cfg *Config) timeout() time.Duration {
	if cfg.Timeout > 0 {
		return cfg.Timeout
	}
	return 30 * time.Second
}

func (cfg *Config) largeSize() int64 {
	if cfg.LargeSize > 0 {
		return cfg.LargeSize
	}
	return 32 << 20
}

// summary counts what ran and lists what did not.
type summary struct {
	count  [3]int
	absent []string
}

func (s *summary) add(c testCase, o outcome) {
	s.count[o]++
	if o == knownFailure {
		s.absent = append(s.absent, c.Name+" fails, as is known")
	}
}

func (s *summary) skip(c testCase, reason string) {
	s.absent = append(s.absent, c.Name+" did not run: "+reason)
}

// String is the summary, one line for each case that was not proved.
func (s *summary) String() string {
	head := fmt.Sprintf("sinktest: %d cases passed, %d failed, %d fail as is known, %d did not run",
		s.count[passed], s.count[failed], s.count[knownFailure], len(s.absent)-s.count[knownFailure])
	return strings.Join(append([]string{head}, s.absent...), "\n  ")
}
