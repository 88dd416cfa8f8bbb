package answer

import (
	"testing"

	"github.com/miekg/dns"
)

// rrs parses records in zone file syntax.
func rrs(t testing.TB, lines ...string) []dns.RR {
	t.Helper()
	var out []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, rr)
	}
	return out
}

func TestReadAddress(t *testing.T) {
	m := &dns.Msg{Answer: rrs(t, "a.example. 60 IN A 192.0.2.1", "a.example. 60 IN A 192.0.2.2")}
	var w Walk
	w.Read(m, "A.example.", dns.TypeA)
	if len(w.Addrs) != 2 || w.Stray || w.Uneven || w.Names[0] != "a.example." {
		t.Errorf("got %+v", w)
	}
}
