package nftset

import (
	"fmt"
	"testing"
	"unicode/utf8"
)

func TestProcessLabels(t *testing.T) {
	var l labelSet
	if got := l.label(""); got != "unknown" {
		t.Errorf("no name: %s", got)
	}
	if got := l.label("ev\xffil"); !utf8.ValidString(got) {
		t.Errorf("%q would panic in a label", got)
	}
	for i := range processLabels {
		l.label(fmt.Sprint("tool", i))
	}
	if l.label("tool1") != "tool1" || l.label("one-more") != "other" {
		t.Errorf("%q, %q", l.label("tool1"), l.label("one-more"))
	}
}
