//go:build linux

package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

var nets = set.ID{Family: set.Inet, Table: "filter", Name: "nets"}

// spanning is the range of a prefix, or FIRST-LAST, with a service.
func spanning(l set.Layout, text string, s set.Service) Range {
	span := set.Span{}
	if first, last, ok := strings.Cut(text, "-"); ok {
		span = set.Span{First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last)}
	} else {
		span = set.SpanOf(netip.MustParsePrefix(text))
	}
	return Range{First: l.Key(netip.Addr{}, span.First, s), Last: l.Key(netip.Addr{}, span.Last, s), Own: true}
}

// words are ranges as text, in order.
func rangeWords(t *testing.T, l set.Layout, all []Range) []string {
	t.Helper()
	var out []string
	for _, r := range all {
		_, first, s, ok := l.Split(r.First)
		_, last, _, okLast := l.Split(r.Last)
		if !ok || !okLast {
			t.Errorf("%+v is not of '%s'", r, l)
			continue
		}
		text := set.Span{First: first, Last: last}.String()
		if l.Port {
			text += " " + fmt.Sprint(s.Port)
		}
		if r.Own {
			text += " own"
		}
		if r.Expires > 0 {
			text += " expires"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

const goldenNets = `
		0b00 0100 66696c74657200 00          ; LIST_TABLE "filter"
		0900 0200 6e65747300 000000          ; LIST_SET "nets"`

const goldenComment = `
		0f00 0600 0009 6e616d6577616c6c00 00 ; USERDATA { COMMENT, 9, "namewall" }`

// A range of addresses is two elements, of which the first has the comment; one of
// a concatenation is one with two keys. A range up to the last address has no end.
func TestGoldenRanges(t *testing.T) {
	for _, test := range []struct {
		layout, span string
		marked, bare string
	}{
		{"ipv4_addr", "10.0.0.0/8", `
			2000 0180
			0c00 0180 0800 0100 0a000000         ; KEY { VALUE 10.0.0.0 }` + goldenComment + `
			1800 0180
			0c00 0180 0800 0100 0b000000         ; KEY { VALUE 11.0.0.0 }
			0800 0300 00000001                   ; FLAGS INTERVAL_END`, `
			1000 0180 0c00 0180 0800 0100 0a000000
			1800 0180 0c00 0180 0800 0100 0b000000 0800 0300 00000001`},
		{"ipv4_addr", "240.0.0.0/4", `
			2000 0180 0c00 0180 0800 0100 f0000000` + goldenComment, `
			1000 0180 0c00 0180 0800 0100 f0000000`},
		{"ipv6_addr", "2001:db8::/32", `
			2c00 0180 1800 0180 1400 0100 20010db8000000000000000000000000` + goldenComment + `
			2400 0180 1800 0180 1400 0100 20010db9000000000000000000000000 0800 0300 00000001`, `
			1c00 0180 1800 0180 1400 0100 20010db8000000000000000000000000
			2400 0180 1800 0180 1400 0100 20010db9000000000000000000000000 0800 0300 00000001`},
		{"ipv4_addr . inet_proto . inet_service", "10.0.0.0/8", `
			3c00 0180
			1400 0180 1000 0100 0a000000 06000000 01bb0000
			1400 0a80 1000 0100 0affffff 06000000 01bb0000 ; KEY_END` + goldenComment, `
			2c00 0180
			1400 0180 1000 0100 0a000000 06000000 01bb0000
			1400 0a80 1000 0100 0affffff 06000000 01bb0000`},
	} {
		l, err := set.ParseLayout(test.layout)
		if err != nil {
			t.Fatal(err)
		}
		r := spanning(l, test.span, set.Service{Proto: 6, Port: 443})
		var e encoder
		e.rangeElems(&r, l, true)
		golden(t, e.buf, test.marked)
		e.reset()
		e.rangeElems(&r, l, false)
		golden(t, e.buf, test.bare)
	}
}

// A swap is one transaction: what goes, and then what comes, which must be new.
func TestGoldenSwap(t *testing.T) {
	k := &fakeKernel{}
	old, next := spanning(set.Layout{}, "240.0.0.0/4", set.Service{}), spanning(set.Layout{}, "224.0.0.0/3", set.Service{})
	if err := k.writer(Features{}).Swap(Set{ID: nets}, []Range{old}, []Range{next}); err != nil {
		t.Fatal(err)
	}
	golden(t, k.sent[0], goldenBegin+`
		40000000 0e0a 0100 02000000 00000000 ; DELSETELEM, REQUEST
		01 00 0000`+goldenNets+`
		1400 0380 1000 0180 0c00 0180 0800 0100 f0000000
		50000000 0c0a 0506 03000000 00000000 ; NEWSETELEM, REQUEST ACK EXCL CREATE
		01 00 0000`+goldenNets+`
		2400 0380 2000 0180 0c00 0180 0800 0100 e0000000`+goldenComment+`
		14000000 1100 0100 04000000 00000000 00 00 000a`)
}

// What the real kernel is told, nft lists, and the other way round.
func TestRanges(t *testing.T) {
	https := set.Service{Proto: 6, Port: 443}
	for _, test := range []struct {
		layout  string
		service set.Service
		add     []string
		listed  []string // by nft
		foreign string   // added by nft
		read    []string
	}{
		{
			"ipv4_addr", set.Service{}, []string{"10.0.0.0/8", "192.0.2.1-192.0.2.6", "198.51.100.7/32", "240.0.0.0/4"},
			[]string{"10.0.0.0/8 comment \"namewall\"", "192.0.2.1-192.0.2.6 comment \"namewall\"", "198.51.100.7 comment \"namewall\"", "240.0.0.0/4 comment \"namewall\""},
			"11.0.0.0/8, 172.16.0.0-172.16.3.255, 9.255.255.255, 203.0.113.0/24 comment \"mine\"",
			[]string{"10.0.0.0/8 own", "11.0.0.0/8", "172.16.0.0/22", "192.0.2.1-192.0.2.6 own", "198.51.100.7 own", "203.0.113.0/24", "240.0.0.0/4 own", "9.255.255.255"},
		},
		{
			"ipv6_addr", set.Service{}, []string{"2001:db8::/32", "fd00::/8", "ff00::/8"},
			[]string{"2001:db8::/32 comment \"namewall\"", "fd00::/8 comment \"namewall\"", "ff00::/8 comment \"namewall\""},
			"2001:db9::1",
			[]string{"2001:db8::/32 own", "2001:db9::1", "fd00::/8 own", "ff00::/8 own"},
		},
		{
			"ipv4_addr . inet_proto . inet_service", https, []string{"10.0.0.0/8", "192.0.2.1-192.0.2.6", "198.51.100.7/32"},
			[]string{"10.0.0.0/8 . tcp . 443 comment \"namewall\"", "192.0.2.1-192.0.2.6 . tcp . 443 comment \"namewall\"", "198.51.100.7 . tcp . 443 comment \"namewall\""},
			"10.0.0.0/8 . udp . 443",
			[]string{"10.0.0.0/8 443", "10.0.0.0/8 443 own", "192.0.2.1-192.0.2.6 443 own", "198.51.100.7 443 own"},
		},
		{
			"ipv6_addr . inet_service", https, []string{"2001:db8::/32"},
			[]string{"2001:db8::/32 . 443 comment \"namewall\""},
			"2001:db9::/64 . 80",
			[]string{"2001:db8::/32 443 own", "2001:db9::/64 80"},
		},
	} {
		t.Run(test.layout, func(t *testing.T) {
			ns := newKernel(t)
			ns.Nft(fmt.Sprintf("table inet filter { set nets { type %s; flags interval; }; }", test.layout))
			w, r := ns.writer(), ns.reader()
			s, err := r.Set(nets)
			if err != nil || s.UsableForRanges() != nil || s.Usable() == nil {
				t.Fatalf("%+v, %v", s, err)
			}
			var add []Range
			for _, text := range test.add {
				add = append(add, spanning(s.Layout, text, test.service))
			}
			if err := w.Swap(s, nil, add); err != nil {
				t.Fatal(err)
			}
			list := strings.Join(strings.Fields(ns.Command("", "nft", "list", "set", "inet", "filter", "nets")), " ")
			for _, want := range test.listed {
				if !strings.Contains(list, want) {
					t.Errorf("nft doesn't list '%s' in\n%s", want, list)
				}
			}
			ns.Nft(fmt.Sprintf("add element inet filter nets { %s }", test.foreign))
			all, err := r.Ranges(s)
			if diff := cmp.Diff(test.read, rangeWords(t, s.Layout, all)); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
			own := slices.DeleteFunc(slices.Clone(all), func(r Range) bool { return !r.Own })
			if err := w.Swap(s, own, nil); err != nil {
				t.Fatal(err)
			}
			left, err := r.Ranges(s)
			if want := slices.DeleteFunc(slices.Clone(test.read), func(s string) bool { return strings.HasSuffix(s, "own") }); err != nil || !slices.Equal(rangeWords(t, s.Layout, left), want) {
				t.Errorf("left are %q, %v", rangeWords(t, s.Layout, left), err)
			}
		})
	}
}

// A range takes the place of one that it overlaps with, in one transaction.
func TestSwapReplaces(t *testing.T) {
	for _, layout := range []string{"ipv4_addr", "ipv4_addr . inet_proto . inet_service"} {
		ns := newKernel(t)
		ns.Nft(fmt.Sprintf("table inet filter { set nets { type %s; flags interval; }; }", layout))
		w, r := ns.writer(), ns.reader()
		s, err := r.Set(nets)
		if err != nil {
			t.Fatal(err)
		}
		https := set.Service{Proto: 6, Port: 443}
		steps := [][]string{{"10.0.0.0/9"}, {"10.0.0.0/8"}, {"10.1.0.0/16", "10.0.0.0/16"}, {"10.0.0.0-10.1.255.254"}, {}}
		var before []Range
		for _, step := range steps {
			var next []Range
			for _, text := range step {
				next = append(next, spanning(s.Layout, text, https))
			}
			if err := w.Swap(s, before, next); err != nil {
				t.Fatalf("%s: %q: %v", layout, step, err)
			}
			all, err := r.Ranges(s)
			if err != nil || len(all) != len(step) {
				t.Errorf("%s: %q: there are %q, %v", layout, step, rangeWords(t, s.Layout, all), err)
			}
			before = all
		}
	}
}

// A swap that can't be done as a whole is not done at all, and says why.
func TestSwapRefused(t *testing.T) {
	for _, layout := range []string{"ipv4_addr", "ipv4_addr . inet_proto . inet_service"} {
		for name, test := range map[string]struct {
			remove, add []string
			errno       unix.Errno
			single      bool // not so in concatenations: the kernel compares ends with what is there, and starts
		}{
			"overlap":     {nil, []string{"192.0.2.0/24", "10.1.0.0/16"}, unix.EEXIST, false},
			"around":      {nil, []string{"192.0.2.0/24", "8.0.0.0/5"}, unix.EEXIST, true},
			"the same":    {nil, []string{"192.0.2.0/24", "10.0.0.0/8"}, unix.EEXIST, false},
			"no such":     {[]string{"172.16.0.0/12"}, []string{"192.0.2.0/24"}, unix.ENOENT, false},
			"not so":      {[]string{"10.0.0.0/9"}, []string{"192.0.2.0/24"}, unix.ENOENT, true},
			"set is gone": {nil, []string{"192.0.2.0/24"}, unix.ENOENT, false},
		} {
			if test.single && strings.Contains(layout, ".") {
				continue
			}
			t.Run(layout+"/"+name, func(t *testing.T) {
				ns := newKernel(t)
				element := "10.0.0.0/8"
				if strings.Contains(layout, "inet_proto") {
					element += " . tcp . 443"
				}
				ns.Nft(fmt.Sprintf("table inet filter { set nets { type %s; flags interval; elements = { %s }; }; }", layout, element))
				w, r := ns.writer(), ns.reader()
				s, err := r.Set(nets)
				if err != nil {
					t.Fatal(err)
				}
				gone := strings.HasPrefix(name, "set")
				if gone {
					ns.Nft("delete set inet filter nets")
				}
				https := set.Service{Proto: 6, Port: 443}
				var remove, add []Range
				for _, text := range test.remove {
					remove = append(remove, spanning(s.Layout, text, https))
				}
				for _, text := range test.add {
					add = append(add, spanning(s.Layout, text, https))
				}
				err = w.Swap(s, remove, add)
				var refusal *Error
				if !errors.As(err, &refusal) || refusal.Errno != test.errno || errors.Is(err, ErrNoSet) != gone {
					t.Errorf("%v, want %v", err, test.errno)
				}
				if all, err := r.Ranges(s); gone != errors.Is(err, ErrNoSet) || !gone && len(all) != 1 {
					t.Errorf("there are %q, %v", rangeWords(t, s.Layout, all), err)
				}
				if err := w.Swap(s, nil, nil); err != nil {
					t.Errorf("nothing to do: %v", err)
				}
			})
		}
	}
}

// What is read is what the kernel's look-up goes by, also where others have left
// starts without ends, and beside what is none of ours.
func TestRangesOfHalves(t *testing.T) {
	start := func(text string, own bool) half {
		return half{key: spanning(set.Layout{}, text+"/32", set.Service{}).First, own: own, forever: true}
	}
	end := func(text string) half { h := start(text, false); h.close = true; return h }
	for name, test := range map[string]struct {
		halves []half
		want   []string
	}{
		"nothing":           {nil, nil},
		"an end alone":      {[]half{end("0.0.0.0")}, nil},
		"in any order":      {[]half{end("10.0.1.0"), start("10.0.0.0", true)}, []string{"10.0.0.0/24 own"}},
		"one after another": {[]half{start("10.0.0.0", true), end("10.0.1.0"), start("10.0.1.0", false), end("10.0.2.0")}, []string{"10.0.0.0/24 own", "10.0.1.0/24"}},
		"without an end":    {[]half{start("128.0.0.0", false)}, []string{"128.0.0.0/1"}},
		"two without":       {[]half{start("10.0.0.0", false), start("10.0.1.0", false), end("10.0.2.0")}, []string{"10.0.0.0/24", "10.0.1.0/24"}},
	} {
		all, err := rangesOf(test.halves, set.Layout{})
		if got := rangeWords(t, set.Layout{}, all); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// Ranges that expire are none of namewall's, whatever their comment.
func TestRangesThatExpire(t *testing.T) {
	ns := newKernel(t)
	ns.Nft(`table inet filter { set nets { type ipv4_addr; flags interval, timeout; elements = { 10.0.0.0/8 timeout 1h comment "namewall" }; }; }`)
	r := ns.reader()
	s, err := r.Set(nets)
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.Ranges(s)
	if got := rangeWords(t, s.Layout, all); err != nil || !slices.Equal(got, []string{"10.0.0.0/8 expires"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestUsableForRanges(t *testing.T) {
	ns := newKernel(t)
	for declaration, want := range map[string]string{
		"type ipv4_addr; flags interval":                                     "",
		"type ipv6_addr . inet_service; flags interval":                      "",
		"type ipv4_addr; flags interval, timeout":                            "",
		"type ipv4_addr; flags interval; auto-merge":                         "",
		"type ipv4_addr; flags timeout":                                      "has no 'flags interval'",
		"type ipv4_addr; flags interval, timeout; timeout 1h":                "has a 'timeout' of its own",
		"type ipv4_addr; flags interval, constant; elements = { 192.0.2.1 }": "'flags constant'",
		"type inet_service; flags interval":                                  "its type 'inet_service' is none",
		"type ipv4_addr . ipv4_addr; flags interval":                         "its type 'ipv4_addr . ipv4_addr' is none",
	} {
		ns.Nft("table inet filter { set nets { " + declaration + "; }; }")
		s, err := ns.reader().Set(nets)
		if err != nil {
			t.Fatal(err)
		}
		if s.Merge != strings.Contains(declaration, "auto-merge") {
			t.Errorf("%s: merges %v", declaration, s.Merge)
		}
		err = s.UsableForRanges()
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", declaration, err, want)
		}
		ns.Nft("delete table inet filter")
	}
}
