//go:build linux

package integration

import (
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// shots is where the page's test leaves pictures for a person to look at.
var shots = flag.String("shots", "", "directory for screenshots of the page")

const (
	page   = "http://127.0.0.1:8480"
	phone  = 360 // CSS pixels, of a small one
	tablet = 820
	desk   = 1280
)

// pageRules have something of everything to show.
const pageRules = `
	nftset {
		` + lab.AllowWide + `
		web 127.0.0.1:8480
		drops 7
	}
	nftset open {
		set  inet filter open4
		set  inet filter open6
		name *.open.test
	}
	nftset tiny {
		set  inet filter tiny4
		name *.tiny.test
	}
	nftset lost {
		mode feed
		set  inet filter lost4
		name *.lost.test
	}
	nftset vendor {
		set     inet filter vendor4
		resolve fe1.vendor.test fe2.vendor.test
	}
`

// evil are names that would do something if they reached the browser as HTML.
var evil = []string{
	`<img/src=x/onerror=harm=1>.open.test.`,
	`<script>harm=1</script>.open.test.`,
	`\"onmouseover=\'harm=1\'.open.test.`,
}

// newPage is a gateway with a page that has something to show, a browser beside it,
// and the gateway's Corefile.
func newPage(t *testing.T) (*lab.Lab, *lab.Namewall, *lab.Browser, string) {
	t.Helper()
	l := lab.New(t)
	l.Load(lab.Ruleset(openSets+`
	set tiny4   { type ipv4_addr; flags timeout; size 5; }
	set vendor4 { type ipv4_addr; flags timeout; size 1024; }`, openRules+"\n\t\tlog group 7"))
	s := l.Script()
	records := []string{
		"api.other.test. 60 IN A 203.0.113.77",
		"www.open.test. 600 IN CNAME edge.cdn.test.", "edge.cdn.test. 600 IN A 198.51.100.1", "edge.cdn.test. 600 IN AAAA 2001:db8:100::1",
		"inside.open.test. 60 IN A 10.1.2.3", "fe1.vendor.test. 60 IN A 203.0.113.1",
	}
	for i, name := range evil {
		records = append(records, fmt.Sprintf("%s 60 IN A 198.51.100.%d", name, 66+i))
	}
	for i := range 5 {
		records = append(records, fmt.Sprintf("n%d.tiny.test. 60 IN A 198.51.100.%d", i, 10+i))
	}
	for i := range 200 {
		records = append(records, fmt.Sprintf("n%d.open.test. 60 IN A 198.19.0.%d", i, i))
	}
	s.Records(records...)
	corefile := ". {" + lab.Node + pageRules + "\nforward . " + lab.Scripted + "\n}"
	return l, l.Namewall(corefile), l.Gateway.Browser(t), corefile
}

// Who looks at the page sees how it stands, what happens as it happens, and why.
func TestPage(t *testing.T) {
	t.Parallel()
	l, n, b, _ := newPage(t)
	p := b.Tab()
	p.On(lab.Screen{Width: desk, Height: 900})
	p.Go(page + "/")
	if err := contains(p.Text("#rules"), "open\nenforce\nready", "not ready", "inet filter lost4: ", "feed", "kept resolved: "); err != nil {
		t.Error(err)
	}
	lab.Until(t, healLimit, "it listens", func() error { return contains(p.Text("#stream"), "live") })

	// What happens comes by itself, the sets fill, and what is healed is told.
	next := 0
	lab.Until(t, healLimit, "an event arrives", func() error {
		answers(t, l, fmt.Sprintf("n%d.open.test.", next), dns.TypeA, fmt.Sprintf("198.19.0.%d", next))
		next++
		return contains(p.Text("#events"), "admitted", "n0.open.test → 198.19.0.0", "asked by 198.18.0.10")
	})
	for i := range 5 {
		answers(t, l, fmt.Sprintf("n%d.tiny.test.", i), dns.TypeA, fmt.Sprintf("198.51.100.%d", 10+i))
	}
	answers(t, l, "www.open.test.", dns.TypeA, "198.51.100.1")
	answers(t, l, "inside.open.test.", dns.TypeA)
	l.NFT("delete element inet filter open4 { 198.51.100.1 }")
	for i, name := range evil {
		answers(t, l, name, dns.TypeA, fmt.Sprintf("198.51.100.%d", 66+i))
	}
	tells(t, n, 0, "mode", "feed", "tiny")
	answers(t, l, "api.other.test.", dns.TypeA, "203.0.113.77")
	barred(t, l, 0, "203.0.113.77", 443)
	lab.Until(t, healLimit, "all of it is shown", func() error {
		return errors.Join(
			contains(p.Text("#events"), "refused", "special-purpose address 10.1.2.3", "healed", "last changed by nft", "by hand", "rule tiny held to feeding"),
			contains(p.Text("#sets"), "5 of 5, 100\u202f%", "nearly full", "1 element put back", "after nft"),
			contains(p.Text("#rules"), "tiny\nfeeds only, by hand"),
			contains(p.Text("#top"), "n0.open.test\t1", "inside.open.test\t1\t1", "198.18.0.10"),
			contains(p.Text("#drops"), "api.other.test tcp/443", "no rule", "matches no rule"),
			contains(p.Text("#events"), "dropped", "198.18.0.10 → api.other.test tcp/443"))
	})
	events := p.Text("#events")
	for _, name := range evil {
		if shown := strings.TrimSuffix(name, "."); !strings.Contains(events, shown) {
			t.Errorf("%s isn't shown as it is in\n%s", shown, events)
		}
	}
	look(t, p, "light", lab.Screen{Width: desk, Height: 900})

	// A name leads to what is known of it, and back.
	p.Eval(`[...document.querySelectorAll("#events a")].find(a => a.innerText.startsWith("<img")).click()`, nil)
	lab.Until(t, healLimit, "the answer is there", func() error {
		return contains(p.Text("#main"), strings.TrimSuffix(evil[0], ".")+" is let through", "198.51.100.66", "inet filter open4", "rule open matches it")
	})
	harmless(t, p)
	search(t, p, "198.51.100.1", "tcp/443", "")
	if err := contains(p.Text("#main"), "198.51.100.1 tcp/443 is let through", "www.open.test → edge.cdn.test", "rule open, asked ", "by 198.18.0.10"); err != nil {
		t.Error(err)
	}
	look(t, p, "why", lab.Screen{Width: desk, Height: 700})
	search(t, p, "10.1.2.3", "", "")
	if err := contains(p.Text("#main"), "10.1.2.3 is in no set", "refused to 198.18.0.10 who asked for inside.open.test", "would refuse it: it is a special-purpose address"); err != nil {
		t.Error(err)
	}
	search(t, p, evil[1], "", "")
	if err := contains(p.Text("#main"), evil[1][:len(evil[1])-1]+" is let through"); err != nil {
		t.Error(err)
	}
	harmless(t, p)
	search(t, p, "a..b", "", "")
	if err := contains(p.Text("#main"), "That can't be answered", "a..b"); err != nil {
		t.Error(err)
	}
	// The only thing to complain of is the status of that last answer.
	for _, complaint := range b.Trouble() {
		if !strings.Contains(complaint, "status of 400") {
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}

// The page can be read on every screen: nothing is wider than it, dark is dark, and
// text stands out.
func TestPageOnScreens(t *testing.T) {
	t.Parallel()
	l, _, b, _ := newPage(t)
	answers(t, l, "www.open.test.", dns.TypeA, "198.51.100.1")
	ask(l, strings.Repeat("a", 63)+"."+strings.Repeat("b", 63)+".open.test.", dns.TypeA)
	for i := range 5 {
		answers(t, l, fmt.Sprintf("n%d.tiny.test.", i), dns.TypeA, fmt.Sprintf("198.51.100.%d", 10+i))
	}
	for _, screen := range []lab.Screen{
		{Width: phone, Height: 740}, {Width: phone, Height: 740, Dark: true}, {Width: tablet, Height: 1100}, {Width: desk, Height: 900, Dark: true},
	} {
		p := b.Tab()
		p.On(screen)
		for what, path := range map[string]string{
			"overview": "/", "why": "/why?about=www.open.test&service=tcp/443", "error": "/why?about=a..b&client=" + strings.Repeat("a", 200),
		} {
			p.Go(page + path)
			if what == "overview" {
				lab.Until(t, healLimit, "it listens", func() error { return contains(p.Text("#stream"), "live") })
				answers(t, l, evil[0], dns.TypeA, "198.51.100.66")
				ask(l, "inside.open.test.", dns.TypeA)
				lab.Until(t, healLimit, "an event arrives", func() error { return contains(p.Text("#events"), "inside.open.test") })
			}
			var wide int
			p.Eval("document.documentElement.scrollWidth", &wide)
			if wide > screen.Width {
				t.Errorf("%s is %d wide on %+v", path, wide, screen)
			}
			look(t, p, fmt.Sprintf("%s-%d-%t", what, screen.Width, screen.Dark), screen)
			legible(t, p, screen)
		}
	}
}

// Without JavaScript the page stands still, and is whole.
func TestPageWithoutScript(t *testing.T) {
	t.Parallel()
	l, _, b, _ := newPage(t)
	answers(t, l, "www.open.test.", dns.TypeA, "198.51.100.1")
	p := b.Tab()
	p.On(lab.Screen{Width: desk, Height: 900, NoScript: true})
	p.Go(page + "/")
	if err := contains(p.Text("body"), "inet filter open4", "Without JavaScript this list stays empty", "Nothing in the last week, of what the ruleset logs to group 7"); err != nil {
		t.Error(err)
	}
	search(t, p, "www.open.test", "", "")
	if err := contains(p.Text("#main"), "www.open.test is let through"); err != nil {
		t.Error(err)
	}
}

// The page follows reloads, and where it can't be served DNS goes on.
func TestPageReload(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 60 IN A 198.51.100.1")
	corefile := func(web string) string {
		return ". {" + lab.Node + strings.Replace(openRule, "nftset {", "nftset {\n"+web, 1) + "\nforward . " + lab.Scripted + "\n}"
	}
	served := func(where string, want bool) {
		t.Helper()
		out, err := l.Gateway.Run(nil, "curl", "-sS", "--max-time", "10", "http://"+where+"/")
		if got := err == nil && strings.Contains(out, "inet filter open4"); got != want {
			t.Errorf("served at %s: %t, want %t: %v", where, got, want, err)
		}
	}
	n := l.Namewall(corefile(""))
	served("127.0.0.1:8480", false)
	if err := n.Reload(corefile("web 127.0.0.1:8480")); err != nil {
		t.Fatal(err)
	}
	served("127.0.0.1:8480", true)
	if out, err := l.Gateway.Run(nil, "curl", "-sS", "http://127.0.0.1:8480/"); err != nil || !strings.Contains(out, "With <code>drops 7</code>") {
		t.Errorf("it doesn't say how to see what is dropped: %v\n%s", err, out)
	}
	// Somebody looks on all the time.
	looking := l.Gateway.Start(t, nil, "curl", "curl", "-sSN", "http://127.0.0.1:8480/events")
	lab.Until(t, healLimit, "somebody looks on", func() error { return contains(looking.Output(), ": what happens") })

	for _, wrong := range []string{"web 192.0.2.1:8480", "web 127.0.0.1:8481\nmode of"} {
		if err := n.Reload(corefile(wrong)); err == nil {
			t.Errorf("'%s' is taken", wrong)
		}
		served("127.0.0.1:8480", true)
		served("127.0.0.1:8481", false)
	}
	if err := n.Reload(corefile("web [::1]:8481")); err != nil {
		t.Fatal(err)
	}
	served("127.0.0.1:8480", false)
	served("[::1]:8481", true)

	// Port 8181 is that of `ready`.
	if err := n.Reload(corefile("web 127.0.0.1:8181")); err != nil {
		t.Fatal(err)
	}
	if err := contains(n.Output(), "[ERROR] plugin/nftset: no page to look at, which changes nothing else: listen tcp 127.0.0.1:8181: bind: address already in use"); err != nil {
		t.Error(err)
	}
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
	if err := n.Reload(corefile("web 198.18.0.1:80 exposed")); err != nil {
		t.Fatal(err)
	}
	served(lab.Gateway4+":80", true)
	if out, err := l.Client.Run(nil, "curl", "-sS", "http://"+lab.Gateway4+"/why?about=198.51.100.1"); err != nil || !strings.Contains(out, "is let through") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := l.Client.Run(nil, "curl", "-sS", "-H", "Host: evil.test", "http://"+lab.Gateway4+"/"); err != nil || !strings.Contains(out, "by its address") || strings.Contains(out, "open4") {
		t.Errorf("%v\n%s", err, out)
	}
	looking.Kill() // it has ended, with the page that it looked at
}

// search fills the form in and sends it, as somebody at a keyboard does.
func search(t *testing.T, p *lab.Tab, about, service, client string) {
	t.Helper()
	p.Eval(fmt.Sprintf("about.value = %q; service.value = %q; client.value = %q; about.form.requestSubmit()", about, service, client), nil)
	lab.Until(t, healLimit, "the answer is there", func() error {
		var at string
		p.Eval(`new URLSearchParams(location.search).get("about") + " " + document.readyState`, &at)
		if at != about+" complete" {
			return errors.New(at)
		}
		return nil
	})
}

// harmless fails if a name has become more than text.
func harmless(t *testing.T, p *lab.Tab) {
	t.Helper()
	var harm bool
	if p.Eval(`!!globalThis.harm || document.querySelectorAll("img, body script, [onmouseover]").length > 0`, &harm); harm {
		t.Error("a name has become more than text")
	}
}

// legible fails if text doesn't stand out from what is behind it as WCAG 2.2 wants
// it (1.4.3, 4.5 to 1), or if the page isn't of the scheme that was asked for.
func legible(t *testing.T, p *lab.Tab, s lab.Screen) {
	t.Helper()
	var faint []string
	p.Eval(`(() => {
		const parts = color => color.match(/[\d.]+/g).map(Number);
		const light = color => {
			const [r, g, b] = parts(color).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
			return 0.2126 * r + 0.7152 * g + 0.0722 * b;
		};
		const behind = e => {
			for (; e; e = e.parentElement) {
				const back = getComputedStyle(e).backgroundColor;
				if ((parts(back)[3] ?? 1) === 1) return back;
			}
			return "rgb(255, 255, 255)";
		};
		const faint = new Set();
		document.getAnimations().forEach(a => a.finish());
		for (const e of document.body.querySelectorAll("*")) {
			if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
			const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => x - y);
			const contrast = (b + 0.05) / (a + 0.05);
			if (contrast < 4.5) faint.add(e.tagName + "." + e.className + " " + contrast.toFixed(2));
		}
		return [...faint];
	})()`, &faint)
	for _, e := range faint {
		t.Errorf("too faint on %+v: %s", s, e)
	}
	var back string
	p.Eval("getComputedStyle(document.body).backgroundColor", &back)
	var r, g, bl int
	if _, err := fmt.Sscanf(back, "rgb(%d, %d, %d)", &r, &g, &bl); err != nil || (r+g+bl < 3*64) != s.Dark {
		t.Errorf("the page is %s on %+v, %v", back, s, err)
	}
}

// look leaves a picture if somebody wants to see it.
func look(t *testing.T, p *lab.Tab, name string, s lab.Screen) {
	t.Helper()
	if *shots != "" {
		p.On(s)
		p.Screenshot(filepath.Join(*shots, name+".png"))
	}
}
