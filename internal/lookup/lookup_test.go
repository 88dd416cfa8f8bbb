package lookup

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/miekg/dns"
)

// serve starts a DNS server over UDP and TCP and returns a client of it.
func serve(t *testing.T, handle func(q *dns.Msg, network string) *dns.Msg) *Client {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []*dns.Server{{PacketConn: packets}, {Listener: listener}} {
		up := make(chan struct{})
		server.NotifyStartedFunc = func() { close(up) }
		server.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			if m := handle(q, w.RemoteAddr().Network()); m != nil {
				_ = w.WriteMsg(m)
			}
		})
		go func() { _ = server.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	c, err := Server(packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reply answers with records of the type that was asked for, and CNAMEs.
func reply(q *dns.Msg, records ...string) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	for _, record := range records {
		rr, err := dns.NewRR(record)
		if err != nil {
			panic(err)
		}
		if t := rr.Header().Rrtype; t == q.Question[0].Qtype || t == dns.TypeCNAME {
			m.Answer = append(m.Answer, rr)
		}
	}
	return m
}

func TestAll(t *testing.T) {
	c := serve(t, func(q *dns.Msg, network string) *dns.Msg {
		switch q.Question[0].Name {
		case "www.example.com.":
			m := reply(q, "www.example.com. 300 IN CNAME cdn.example.net.", "cdn.example.net. 60 IN A 198.51.100.1",
				"cdn.example.net. 60 IN A 198.51.100.2", "cdn.example.net. 30 IN AAAA 2001:db8::1", "cdn.example.net. 60 IN A 198.51.100.1")
			if m.Truncated = network == "udp"; m.Truncated {
				m.Answer = nil
			}
			return m
		case "empty.example.com.":
			return reply(q)
		case "failing.example.com.":
			return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		}
		return new(dns.Msg).SetRcode(q, dns.RcodeNameError)
	})
	got := c.All(t.Context(), []string{"WWW.example.com", "empty.example.com.", "none.example.com", "failing.example.com"})
	addr := netip.MustParseAddr
	want := []Result{
		{Name: "www.example.com.", Found: true, Chain: []string{"www.example.com.", "cdn.example.net."}, Addrs: []Addr{
			{addr("198.51.100.1"), time.Minute}, {addr("198.51.100.2"), time.Minute}, {addr("2001:db8::1"), 30 * time.Second}}},
		{Name: "empty.example.com.", Found: true, Chain: []string{"empty.example.com."}},
		{Name: "none.example.com.", Chain: []string{"none.example.com."}},
		{Name: "failing.example.com.", Err: errFailed},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateErrors(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if text := got[3].Err.Error(); !strings.HasPrefix(text, "failing.example.com A: no answer: ") || !strings.HasSuffix(text, " says SERVFAIL") {
		t.Errorf("error %s", text)
	}
}

// A server that fails, or is silent, has its answer given by the next.
func TestNextServer(t *testing.T) {
	for name, first := range map[string]func(*dns.Msg, string) *dns.Msg{
		"refuses": func(q *dns.Msg, _ string) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeRefused) },
		"silent":  func(*dns.Msg, string) *dns.Msg { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, first)
			good := serve(t, func(q *dns.Msg, _ string) *dns.Msg { return reply(q, "www.example.com. 60 IN A 198.51.100.1") })
			c.servers = append(c.servers, good.servers...)
			c.limit = 200 * time.Millisecond
			if r := c.All(t.Context(), []string{"www.example.com"})[0]; r.Err != nil || len(r.Addrs) != 1 {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// A second try gets what the first one has lost.
func TestSecondTry(t *testing.T) {
	var lost sync.Map
	c := serve(t, func(q *dns.Msg, _ string) *dns.Msg {
		if _, again := lost.LoadOrStore(q.Question[0].Qtype, true); !again {
			return nil
		}
		return reply(q, "www.example.com. 60 IN A 198.51.100.1")
	})
	c.limit = 200 * time.Millisecond
	if r := c.All(t.Context(), []string{"www.example.com"})[0]; r.Err != nil || len(r.Addrs) != 1 {
		t.Errorf("got %+v", r)
	}
}

// There are never more questions on their way than the bound says.
func TestAtOnce(t *testing.T) {
	var now, most atomic.Int32
	full := make(chan struct{})
	c := serve(t, func(q *dns.Msg, _ string) *dns.Msg {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == atOnce {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		<-full // all that are let through come together once
		return reply(q)
	})
	names := make([]string, 4*atOnce)
	for i := range names {
		names[i] = "www.example.com"
	}
	for _, r := range c.All(t.Context(), names) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
	if most.Load() != atOnce {
		t.Errorf("%d questions at once, want %d", most.Load(), atOnce)
	}
}

func TestServers(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.53": "192.0.2.53:53", "192.0.2.53:5335": "192.0.2.53:5335", "2001:db8::53": "[2001:db8::53]:53", "[2001:db8::53]:5335": "[2001:db8::53]:5335",
	} {
		if c, err := Server(in); err != nil || c.servers[0] != want {
			t.Errorf("%s: %v, %v", in, c, err)
		}
	}
	for _, in := range []string{"", "resolver.example", "192.0.2.53:dns", "192.0.2"} {
		if _, err := Server(in); err == nil || !strings.Contains(err.Error(), "write it like") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestSystem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	for text, want := range map[string][]string{
		"search example.com\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n": {"192.0.2.53:53", "[2001:db8::53]:53"},
		"# nothing\n": nil,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := system(file)
		if want == nil {
			if err == nil || !strings.Contains(err.Error(), "has no nameserver: name one with --server") {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err != nil || !slices.Equal(c.servers, want) {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
	if _, err := system(file + "x"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "--server") {
		t.Errorf("no file: %v", err)
	}
}
