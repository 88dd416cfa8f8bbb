package docs

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/namewall/namewall/internal/control"
)

// Every path of the control socket is in control-api.md, and so is every field.
func TestControlAPI(t *testing.T) {
	t.Parallel()
	page := read(t, "docs/control-api.md")
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:GET|POST) /v1/[a-z]+)` \\|").FindAllStringSubmatch(page, -1) {
		told = append(told, m[1])
	}
	var served []string
	for _, m := range regexp.MustCompile(`HandleFunc\("(GET|POST) "\+control\.Version\+"(/[a-z]+)"`).FindAllStringSubmatch(read(t, "plugin/nftset/control_api.go"), -1) {
		served = append(served, m[1]+" "+control.Version+m[2])
	}
	slices.Sort(told)
	slices.Sort(served)
	if len(served) == 0 || !slices.Equal(told, served) {
		t.Errorf("control-api.md has %q, served are %q", told, served)
	}
	for _, shape := range []any{
		control.Status{}, control.Rule{}, control.Set{}, control.Heal{}, control.Budget{}, control.Elements{}, control.Element{},
		control.Reason{}, control.Mode{}, control.Why{}, control.Finding{}, control.Event{}, control.Problem{},
		control.Drops{}, control.Drop{},
		control.Hold{}, control.Held{}, control.Revoke{}, control.Revoked{}, control.Changed{},
		control.Top{}, control.Busy{}, control.Test{}, control.Tested{}, control.TestedRule{}, control.TestedAddress{}, control.Step{}, control.Gets{}, control.EDE{},
	} {
		typ := reflect.TypeOf(shape)
		for f := range typ.Fields() {
			field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !regexp.MustCompile(`\b` + field + `\b`).MatchString(page) {
				t.Errorf("%s.%s is not in control-api.md", typ.Name(), field)
			}
		}
	}
	for _, cause := range []string{
		control.OutcomeNoRules, control.OutcomeNoMatch, control.OutcomeNoAnswer, control.OutcomeUntouched,
		control.CauseMatches, control.CauseExcepted, control.CauseNoRule, control.CauseNotReady, control.CauseNeverAsked,
		control.CauseExpired, control.CauseRevoked, control.CauseSetLost, control.CauseRefusable, control.CauseElsewhere,
		control.CauseByHand,
		control.CauseTold, control.CauseDropped, control.CauseInSet, control.CauseOtherService,
		control.OutcomeClosed, control.OutcomeReopened, control.OutcomeStatic, control.OutcomeOther, control.OutcomeForeign,
		control.OutcomeRefused, control.OutcomePending, control.OutcomeHeld,
	} {
		if !strings.Contains(page, "`"+cause+"`") {
			t.Errorf("cause %s is not in control-api.md", cause)
		}
	}
}
