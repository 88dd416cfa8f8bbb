package answer

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/miekg/dns"
)

func TestClientOf(t *testing.T) {
	for _, test := range []struct {
		name string
		req  *dns.Msg
		want Client
	}{
		{"no OPT", new(dns.Msg), Client{}},
		{"OPT", new(dns.Msg).SetEdns0(1232, false), Client{OPT: true}},
		{"DO", new(dns.Msg).SetEdns0(1232, true), Client{OPT: true, DO: true, AD: true}},
		{"AD", &dns.Msg{MsgHdr: dns.MsgHdr{AuthenticatedData: true}}, Client{AD: true}},
	} {
		if got := ClientOf(test.req); got != test.want {
			t.Errorf("%s: got %+v", test.name, got)
		}
	}
}

func TestReasons(t *testing.T) {
	for _, test := range []struct {
		ede  *dns.EDNS0_EDE
		code uint16
	}{{Filtered("x"), 17}, {NotReady("x"), 14}, {Failed("x"), 0}} {
		if test.ede.InfoCode != test.code || test.ede.ExtraText != "x" {
			t.Errorf("got %v, want %d", test.ede, test.code)
		}
	}
	for _, text := range []string{strings.Repeat("x", maxText+1), "x" + strings.Repeat("é", 300), "bad \xff byte"} {
		got := Failed(text).ExtraText
		if len(got) > maxText || !utf8.ValidString(got) || len(text) > maxText && len(got) < maxText-3 {
			t.Errorf("%d bytes of %q", len(got), got)
		}
	}
}

// options are those of the only OPT in m.
func options(t *testing.T, m *dns.Msg) []string {
	t.Helper()
	var opts []*dns.OPT
	for _, rr := range m.Extra {
		if opt, ok := rr.(*dns.OPT); ok {
			opts = append(opts, opt)
		}
	}
	if len(opts) != 1 {
		t.Fatalf("%d OPTs in %v", len(opts), m)
	}
	var out []string
	for _, o := range opts[0].Option {
		out = append(out, o.String())
	}
	return out
}

// refusals are the messages that explain themselves.
var refusals = map[string]func(m *dns.Msg, client Client) *dns.Msg{
	"NODATA": func(m *dns.Msg, client Client) *dns.Msg {
		var w Walk
		w.Read(m, "a.", dns.TypeA)
		return w.Shape(m, Cut{Client: client, EDE: Filtered("rule web: 192.0.2.1 is not allowed")})
	},
	"SERVFAIL": func(m *dns.Msg, client Client) *dns.Msg {
		return ServFail(m, client, NotReady("rule web: set inet filter web4 is missing"))
	},
}

// The reason goes through CoreDNS's writer to those who sent an OPT, and no OPT
// to those who did not, whatever the plugins below put into the message.
func TestReasonIsSent(t *testing.T) {
	below := map[string]func(m *dns.Msg){
		"no OPT": func(*dns.Msg) {},
		"an OPT": func(m *dns.Msg) {
			m.SetEdns0(4096, true)
			m.IsEdns0().SetZ(0x3fff)
		},
		"an OPT with a reason": func(m *dns.Msg) {
			m.SetEdns0(4096, true)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeStaleAnswer}}
		},
	}
	for refusal, make := range refusals {
		for name, prepare := range below {
			for _, client := range []Client{{}, {OPT: true}, {OPT: true, DO: true}} {
				m := &dns.Msg{Answer: records(t, "a. 60 A 192.0.2.1")}
				m.SetQuestion("a.", dns.TypeA)
				prepare(m)
				before := m.Copy()
				sent := send(t, make(m, client), client)
				packed, err := sent.Pack()
				if err != nil || len(packed) > dns.MinMsgSize {
					t.Fatalf("%s, %s: %d bytes, %v", refusal, name, len(packed), err)
				}
				if m.String() != before.String() {
					t.Errorf("%s, %s: the message is now %v", refusal, name, m)
				}
				if !client.OPT {
					if len(sent.Extra) != 0 {
						t.Errorf("%s, %s: sent %v to a client without OPT", refusal, name, sent.Extra)
					}
					continue
				}
				got := options(t, sent)
				want := 1
				if name == "an OPT with a reason" {
					want = 2
				}
				if len(got) != want || !strings.Contains(got[want-1], "rule web: ") {
					t.Errorf("%s, %s: got %q", refusal, name, got)
				}
				want = 0
				if client.DO {
					want = 1 << 15
				}
				if flags := int(uint16(sent.IsEdns0().Hdr.Ttl)); flags != want || sent.IsEdns0().UDPSize() != 1232 {
					t.Errorf("%s, %s: got %v", refusal, name, sent.IsEdns0())
				}
			}
		}
	}
}

// CoreDNS reuses the question's OPT for the answer. A reason in it would come
// back with whatever else is made from that question.
func TestReasonIsNotPutInTheQuestion(t *testing.T) {
	req := new(dns.Msg).SetQuestion("a.", dns.TypeA)
	req.SetEdns0(1232, false)
	m := new(dns.Msg).SetReply(req)
	m.Answer = records(t, "a. 60 A 192.0.2.1")
	m.Extra = []dns.RR{req.IsEdns0()}
	for name, make := range refusals {
		if got := options(t, make(m, ClientOf(req))); len(got) != 1 {
			t.Errorf("%s: got %q", name, got)
		}
		if got := options(t, req); len(got) != 0 {
			t.Errorf("%s: the question says %q", name, got)
		}
	}
}

// RFC 8945 §5.1: the TSIG is the last record, or the message isn't signed.
func TestTSIGStaysLast(t *testing.T) {
	for name, make := range refusals {
		m := &dns.Msg{Answer: records(t, "a. 60 A 192.0.2.1"), Extra: records(t, "b. 60 AAAA 2001:db8::1")}
		m.SetTsig("key.", dns.HmacSHA256, 300, time.Now().Unix())
		client := Client{OPT: true}
		sent := send(t, make(m, client), client)
		if sent.IsTsig() == nil || len(options(t, sent)) != 1 || len(sent.Extra) != 2 {
			t.Errorf("%s: got %v", name, sent.Extra)
		}
		if m.IsTsig() == nil || len(m.Extra) != 2 {
			t.Errorf("%s: the message has %v", name, m.Extra)
		}
	}
}

func TestServFail(t *testing.T) {
	m := new(dns.Msg).SetQuestion("a.", dns.TypeA)
	m.Response, m.Authoritative, m.AuthenticatedData, m.Truncated = true, true, true, true
	m.RecursionAvailable, m.CheckingDisabled, m.Compress = true, true, true
	m.Rcode = dns.RcodeBadCookie
	m.Answer, m.Ns, m.Extra = records(t, "a. 60 A 192.0.2.1"), records(t, "a. 60 NS a."), records(t, "a. 60 A 192.0.2.1")
	m.SetEdns0(1232, false)
	out := ServFail(m, Client{}, NotReady("x"))
	want := new(dns.Msg).SetQuestion("a.", dns.TypeA)
	want.Id, want.Response, want.RecursionAvailable, want.CheckingDisabled = m.Id, true, true, true
	want.Rcode = dns.RcodeServerFailure
	if out.String() != want.String() || !out.Compress {
		t.Errorf("got %v, want %v", out, want)
	}
	out.Question[0].Name = "b."
	if m.Question[0].Name != "a." {
		t.Error("the question is shared")
	}
}
