package mailboxtest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/postroom-go/postroom/mailbox"
)

// testCase is one row of the suite.
type testCase struct {
	// Name is group/case.
	Name string
	// Why is the rule in one sentence, with its RFC section if it has one.
	Why string
	// Needs are capabilities by their names in Caps.All ("!flags" for one that
	// is clear), and fields of Instance ("NewEpoch").
	Needs []string
	// Run does it.
	Run func(t *tester)
}

// allCases is the suite, in its order.
func allCases() []testCase {
	return slices.Concat(capsCases(), idCases(), staleCases(), folderCases(), createCases(), listCases(), listOptionCases(),
		fieldCases(), openCases(), readerCases(), headerCases(), partCases(), fetchCases(),
		deleteCases(), flagCases(), appendCases(), batchCases(), contextCases(), closeCases(),
		concurrencyCases(), reentrancyCases(), reconnectCases(), errorCases())
}

// optionalHooks are the fields of Instance that may be nil.
func optionalHooks() []string { return []string{"NewEpoch", "Interrupt", "CreateFolder"} }

// isHook tells the name of a field of Instance from that of a capability.
func isHook(need string) bool { return unicode.IsUpper(rune(need[0])) }

// problems says what is wrong with the configuration itself.
func (cfg *Config) problems(cases []testCase) []string {
	var all []string
	if cfg.New == nil {
		all = append(all, "Config.New is nil")
	}
	for hook, reason := range cfg.Without {
		if !slices.Contains(optionalHooks(), hook) || reason == "" {
			all = append(all, fmt.Sprintf("Config.Without[%q] = %q: want one of %v, and a reason", hook, reason, optionalHooks()))
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

// instanceProblems says what is wrong with an Instance.
func (cfg *Config) instanceProblems(inst *Instance) []string {
	if inst == nil || inst.Box == nil || inst.Reopen == nil || inst.Deliver == nil {
		return []string{"Config.New must fill Box, Reopen and Deliver"}
	}
	var all []string
	for _, hook := range optionalHooks() {
		missing := reflect.ValueOf(inst).Elem().FieldByName(hook).IsNil()
		switch reason := cfg.Without[hook]; {
		case missing && reason == "" && !cfg.excused(hook):
			all = append(all, fmt.Sprintf("Instance.%s is nil, and Config.Without does not say why", hook))
		case !missing && reason != "":
			all = append(all, fmt.Sprintf("Instance.%s is there, and Config.Without says that it cannot be", hook))
		}
	}
	return all
}

// excused reports whether a hook may be nil without a reason of its own.
func (cfg *Config) excused(hook string) bool {
	return hook == "CreateFolder" && !cfg.Caps.Folders || hook == "Interrupt" && cfg.Caps.Connections == 0
}

// notApplicable says why a case does not run; "" if it does.
func (cfg *Config) notApplicable(c testCase) string {
	for _, need := range c.Needs {
		name, clear := strings.CutPrefix(need, "!")
		switch {
		case isHook(name) && cfg.Without[name] != "":
			return "no " + name + ": " + cfg.Without[name]
		case isHook(name) && cfg.excused(name):
			return "this account has no use for " + name
		case !isHook(name) && capSet(cfg.Caps, name) == clear:
			return "it is for accounts with " + need
		}
	}
	return ""
}

// capSet reports whether a capability, by its name, is not zero.
func capSet(caps mailbox.Caps, name string) bool {
	for n, v := range caps.All() {
		if n == name {
			return !reflect.ValueOf(v).IsZero()
		}
	}
	panic("mailboxtest: there is no capability " + name)
}

// outcome is how a case ended.
type outcome int

const (
	passed outcome = iota
	failed
	knownFailure
	provedNothing
)

// judge runs one case and reports it to tb.
func (cfg *Config) judge(tb testing.TB, c testCase) outcome {
	tb.Helper()
	failures, nothing := cfg.runCase(tb, c)
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
	case nothing != "":
		tb.Logf("proves nothing: %s", nothing)
		return provedNothing
	}
	return passed
}

func (cfg *Config) timeout() time.Duration {
	if cfg.Timeout > 0 {
		return cfg.Timeout
	}
	return 30 * time.Second
}

// summary counts what ran and lists what did not.
type summary struct {
	count  [4]int
	absent []string
}

func (s *summary) add(c testCase, o outcome) {
	s.count[o]++
	switch o {
	case knownFailure:
		s.absent = append(s.absent, c.Name+" fails, as is known")
	case provedNothing:
		s.absent = append(s.absent, c.Name+" ran and proved nothing: its log says why")
	}
}

func (s *summary) skip(c testCase, reason string) {
	s.absent = append(s.absent, c.Name+" did not run: "+reason)
}

// String is the summary, one line for each case that was not proved.
func (s *summary) String() string {
	head := fmt.Sprintf("mailboxtest: %d cases passed, %d failed, %d fail as is known, %d did not run",
		s.count[passed], s.count[failed], s.count[knownFailure], len(s.absent)-s.count[knownFailure]-s.count[provedNothing])
	if n := s.count[provedNothing]; n > 0 {
		head += fmt.Sprintf(", %d proved nothing", n)
	}
	return strings.Join(append([]string{head}, s.absent...), "\n  ")
}
