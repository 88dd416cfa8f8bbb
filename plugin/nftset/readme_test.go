package nftset

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sectionOf is the text below a heading of the second level, up to the next one.
func sectionOf(t *testing.T, text, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("README.md has no section '%s'", heading)
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	return section
}

// CoreDNS makes man pages and a web page out of a plugin's README, and its own
// tests ask for these sections.
func TestReadmeSections(t *testing.T) {
	text := readme(t)
	if !strings.HasPrefix(text, "# "+directive+"\n") {
		t.Error("README.md doesn't begin with the plugin's name")
	}
	var got []string
	for _, heading := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(text, -1) {
		got = append(got, heading[1])
	}
	want := []string{"Name", "Description", "Syntax", "Metrics", "Ready", "Metadata", "Examples", "Bugs", "Compilation", "See Also"}
	if !slices.Equal(got, want) {
		t.Errorf("sections %q, want %q", got, want)
	}
	if name := sectionOf(t, text, "Name"); !strings.HasPrefix(strings.TrimSpace(name), "*"+directive+"* - ") {
		t.Errorf("section Name says %q", name)
	}
	if !strings.Contains(sectionOf(t, text, "Compilation"), "\n"+pluginLine+"\n") {
		t.Error("section Compilation lacks the line for plugin.cfg")
	}
}

// Every metric is in the README with its labels, and there are no others.
func TestReadmeMetrics(t *testing.T) {
	told := map[string]string{}
	for _, m := range regexp.MustCompile("`coredns_("+directive+`_\w+)\{([^}]*)\}`).FindAllStringSubmatch(sectionOf(t, readme(t), "Metrics"), -1) {
		told[m[1]] = strings.ReplaceAll(m[2], ", ", ",")
	}

	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		prometheus.DefaultRegisterer.(*prometheus.Registry).Describe(descs)
		(&statsCollector{}).Describe(descs)
	}()
	exported := map[string]string{}
	form := regexp.MustCompile(`fqName: "coredns_(` + directive + `_\w+)".*variableLabels: \{(.*)\}\}`)
	for d := range descs {
		if m := form.FindStringSubmatch(d.String()); m != nil {
			exported[m[1]] = m[2]
		}
	}
	if !maps.Equal(told, exported) {
		t.Errorf("README.md has\n%v\nexported are\n%v", told, exported)
	}
}

// The values of the labels that have few are all in the README.
func TestReadmeLabels(t *testing.T) {
	section := sectionOf(t, readme(t), "Metrics")
	for _, name := range outcomes {
		if !strings.Contains(section, "`"+name+"`") {
			t.Errorf("outcome '%s' is missing", name)
		}
	}
	for fate := gate.Special; fate <= gate.Busy; fate++ {
		if !strings.Contains(section, "`"+fate.String()+"`") {
			t.Errorf("cause '%s' is missing", fate)
		}
	}
}

// The options in the two forms of the syntax are those that the parser knows,
// each is explained, and each is shown in an example.
func TestReadmeOptions(t *testing.T) {
	text := readme(t)
	syntax := sectionOf(t, text, "Syntax")
	examples := sectionOf(t, text, "Examples")
	for head, form := range map[string]string{"nftset rule": "nftset NAME {", "nftset": "nftset {"} {
		_, rest, ok := strings.Cut(syntax, "~~~ txt\n"+form+"\n")
		if !ok {
			t.Fatalf("no form '%s'", form)
		}
		block, after, _ := strings.Cut(rest, "\n}\n")
		explained, _, _ := strings.Cut(after, "~~~ txt\n")
		var told []string
		for line := range strings.Lines(block + "\n") {
			option := strings.Fields(line)[0]
			told = append(told, option)
			if !regexp.MustCompile(`(?m)^\* .*` + "`" + option + "[ `]").MatchString(explained) {
				t.Errorf("'%s' of '%s' is not explained", option, form)
			}
			if !regexp.MustCompile(`(?m)^ +` + option + " ").MatchString(examples) {
				t.Errorf("'%s' is in no example", option)
			}
		}
		slices.Sort(told)
		if known := knownOptions(t, head); !slices.Equal(told, known) {
			t.Errorf("'%s' has %q, the parser knows %q", form, told, known)
		}
	}
}

// knownOptions are what the parser says that it knows.
func knownOptions(t *testing.T, head string) []string {
	t.Helper()
	_, err := parse(caddy.NewTestController("dns", head+" {\nbogus x\n}"), new(Config), "")
	if err == nil {
		t.Fatal("an option that doesn't exist is accepted")
	}
	_, list, ok := strings.Cut(err.Error(), "known are ")
	if !ok {
		t.Fatalf("no list in: %v", err)
	}
	return strings.Split(list, ", ")
}

// The defaults that the README lists are those that a rule without them has.
func TestReadmeDefaults(t *testing.T) {
	_, rest, ok := strings.Cut(sectionOf(t, readme(t), "Syntax"), "A rule that says nothing of these says\n\n~~~ txt\n")
	if !ok {
		t.Fatal("README.md lists no defaults")
	}
	defaults, _, _ := strings.Cut(rest, "~~~")
	told := format(mustParse(t, with(defaults)).Rules[0], rule.Lines{})
	if bare := format(mustParse(t, with()).Rules[0], rule.Lines{}); told != bare {
		t.Errorf("README.md has\n%s\na rule without options is\n%s", told, bare)
	}
	if n := len(strings.Fields(strings.ReplaceAll(defaults, " ", "_"))); n != 7 {
		t.Errorf("%d defaults, want 7", n)
	}
}
