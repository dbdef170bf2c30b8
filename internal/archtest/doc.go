// Package archtest holds the rules that the repository keeps about itself, and
// the test that enforces them: who may import whom (the table in
// ARCHITECTURE.md), how much a package exports, that everything exported is
// documented, and habits that a compiler does not see. Each rule is tried on
// sources that break it, too, so that it is known to fire.
//
// Rules apply to whatever packages there are. A new package has to be given its
// row in the table first.
package archtest
