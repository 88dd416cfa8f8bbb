package rule

import (
	"strings"
	"testing"

	"github.com/namewall/namewall/internal/set"
)

func TestCheckLayout(t *testing.T) {
	for name, test := range map[string]struct {
		layout string
		lines  []string // the services of each name line
		want   string   // part of the error; empty: none
	}{
		"addresses":              {"ipv4_addr", []string{""}, ""},
		"pairs":                  {"ipv6_addr . ipv6_addr", []string{""}, ""},
		"ports":                  {"ipv4_addr . inet_proto . inet_service", []string{"tcp/443", "udp/443 sctp/9"}, ""},
		"pairs with ports":       {"ipv4_addr . ipv4_addr . inet_proto . inet_service", []string{"tcp/443"}, ""},
		"no protocol, both":      {"ipv4_addr . inet_service", []string{"tcp/443 udp/443 udp/53 tcp/53"}, ""},
		"no protocol, and sctp":  {"ipv4_addr . inet_service", []string{"tcp/443 udp/443 sctp/443"}, ""},
		"no protocol, tcp alone": {"ipv4_addr . inet_service", []string{"tcp/443 udp/443 tcp/53"}, "opens tcp/53 for tcp and udp: add udp/53 to name a.example,"},
		"no protocol, sctp":      {"ipv4_addr . inet_service", []string{"sctp/443"}, "opens sctp/443 for tcp and udp: add tcp/443 udp/443 to name a.example,"},
		"both, on two lines":     {"ipv4_addr . inet_service", []string{"tcp/443", "udp/443"}, "opens tcp/443 for tcp and udp: add udp/443 to name a.example,"},
		"ports missing":          {"ipv4_addr . inet_proto . inet_service", []string{"tcp/443", ""}, "name b.example has none: add PROTO/PORT"},
		"resolved":               {"ipv4_addr . inet_proto . inet_service", []string{"tcp/443"}, ""},
		"resolved, pairs":        {"ipv6_addr . ipv6_addr", []string{""}, "no client asks for a.example, which is under 'resolve': use the type 'ipv6_addr'"},
		"ports unwanted":         {"ipv6_addr . ipv6_addr", []string{"tcp/443"}, "use the type 'ipv6_addr . ipv6_addr . inet_proto . inet_service'"},
	} {
		t.Run(name, func(t *testing.T) {
			layout, err := set.ParseLayout(test.layout)
			if err != nil {
				t.Fatal(err)
			}
			r := &Rule{Sets: []Set{{ID: set.ID{Family: set.Inet, Table: "filter", Name: "web"}}}}
			for i, line := range test.lines {
				pattern, err := ParsePattern([]string{"a.example", "b.example"}[i])
				if err != nil {
					t.Fatal(err)
				}
				n := Names{Patterns: []Pattern{pattern}}
				for word := range strings.FieldsSeq(line) {
					service, err := set.ParseService(word)
					if err != nil {
						t.Fatal(err)
					}
					n.Services = append(n.Services, service)
				}
				r.Names = append(r.Names, n)
			}
			for i := range r.Names {
				r.Names[i].Resolved = strings.HasPrefix(name, "resolved")
			}
			err = r.CheckLayout(0, layout)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "'inet filter web'")):
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
