package nftset

import (
	"context"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/cache"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

const strict = "nftset strict {\n name *.example.com\n set inet filter web4\n require validated\n wait 20s\n}"

// validating is an upstream that has validated its answers, and tells as RFC 6840
// §5.8 has it. It keeps what it was asked.
type validating struct {
	secure bool
	asked  []*dns.Msg
}

func (v *validating) ServeDNS(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	v.asked = append(v.asked, r.Copy())
	m := new(dns.Msg).SetReply(r)
	opt := r.IsEdns0()
	m.AuthenticatedData = v.secure && (r.AuthenticatedData || opt != nil && opt.Do())
	m.Answer = []dns.RR{test.A(r.Question[0].Name + " 60 IN A 198.51.100.1")}
	return dns.RcodeSuccess, w.WriteMsg(m)
}

func (*validating) Name() string { return "validating" }

// The upstream is asked for the AD bit where a rule wants it and nowhere else,
// and the client gets it if it has asked for it.
func TestRequireValidated(t *testing.T) {
	const refusal = "NOERROR EDE 17 nftset: rule strict: answer not validated by DNSSEC"
	for _, tc := range []struct {
		name           string
		secure         bool
		client         func(*dns.Msg)
		want           string
		askedAD, gotAD bool
	}{
		{"validated", true, func(r *dns.Msg) { r.SetEdns0(1232, false) }, "NOERROR 198.51.100.1", true, false},
		{"validated, without OPT", true, func(*dns.Msg) {}, "NOERROR 198.51.100.1", true, false},
		{"validated, AD", true, func(r *dns.Msg) { r.AuthenticatedData = true }, "NOERROR 198.51.100.1", true, true},
		{"validated, DO", true, func(r *dns.Msg) { r.SetEdns0(1232, true) }, "NOERROR 198.51.100.1", true, true},
		{"validated, CD", true, func(r *dns.Msg) { r.SetEdns0(1232, false); r.CheckingDisabled = true }, refusal, true, false},
		{"not", false, func(r *dns.Msg) { r.SetEdns0(1232, false) }, refusal, true, false},
		{"not, AD", false, func(r *dns.Msg) { r.SetEdns0(1232, false); r.AuthenticatedData = true }, refusal, true, false},
		{"not, another name", false, func(r *dns.Msg) { r.Question[0].Name = "www.example.org." }, "NOERROR 198.51.100.1", false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, strict)
			up := &validating{secure: tc.secure}
			l.next = up
			r := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
			tc.client(r)
			before := r.String()
			rec := dnstest.NewRecorder(&test.ResponseWriter{})
			if _, err := l.ServeDNS(context.Background(), request.NewScrubWriter(r, rec), r); err != nil {
				t.Fatal(err)
			}
			if got := show(rec.Msg); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if rec.Msg.AuthenticatedData != tc.gotAD || up.asked[0].AuthenticatedData != tc.askedAD {
				t.Errorf("the upstream was asked for AD: %v, the client got it: %v", up.asked[0].AuthenticatedData, rec.Msg.AuthenticatedData)
			}
			if after := r.String(); after != before {
				t.Errorf("the client's question was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// CoreDNS's cache asks for the AD bit whoever asks it, keeps it, and gives it to
// who asks: what it has fetched for others counts as validated if it is.
func TestRequireValidatedBehindCache(t *testing.T) {
	for _, secure := range []bool{true, false} {
		l := newLab(t, strict)
		up := &validating{secure: secure}
		c := cache.New()
		c.Next = up
		l.next = c

		// Past the plugin, as a block without the rule does with a shared cache.
		rec := dnstest.NewRecorder(&test.ResponseWriter{})
		if _, err := plugin.NextOrFailure(directive, c, context.Background(), rec, new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		m, _, err := l.through(context.Background(), new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(m.Answer) == 1; got != secure || m.AuthenticatedData || len(up.asked) != 1 {
			t.Errorf("validated %v: %v, asked %d times", secure, m, len(up.asked))
		}
		asked := new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA)
		asked.AuthenticatedData = true
		if m, _, err = l.through(context.Background(), asked); err != nil || m.AuthenticatedData != secure {
			t.Errorf("validated %v, to a client that wants to know: %v, %v", secure, m, err)
		}
	}
}
