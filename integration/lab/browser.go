//go:build linux

package lab

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

// chromium is the browser itself: the command of this name is a shell that starts
// it, and would keep signals from it.
const chromium = "/usr/lib/chromium/chromium-headless-shell"

// browserLimit is how long a browser may take for anything, on a machine that does
// a lot else.
const browserLimit = 60 * time.Second

// Browser is a Chromium without a window, driven by its DevTools protocol over
// pipes (--remote-debugging-pipe): messages of JSON that end with a NUL.
type Browser struct {
	*Process

	t   T
	out *os.File

	mu      sync.Mutex // guards what follows, and writing to out
	last    int        // id of a call
	calls   map[int]chan reply
	trouble []string // what pages complained of
}

type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// Browser starts a browser in the namespace.
func (n *NS) Browser(t T) *Browser {
	t.Helper()
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatalf("%v", err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatalf("%v", err)
	}
	b := &Browser{t: t, out: in, calls: make(map[int]chan reply)}
	b.Process = n.Start(t, func(c *exec.Cmd) {
		c.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4, as the protocol has it
	}, "chromium", chromium,
		"--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
		"--user-data-dir="+t.TempDir())
	_, _ = theirIn.Close(), theirOut.Close()
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(out)
	}()
	t.Cleanup(func() { // before the process is made to end
		b.call("", "Browser.close", nil, nil)
		<-b.ended
		<-read
		_, _ = in.Close(), out.Close()
	})
	return b
}

// read takes what the browser says, until it ends.
func (b *Browser) read(from *os.File) {
	for r := bufio.NewReader(from); ; {
		text, err := r.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, c := range b.calls {
				close(c)
			}
			b.calls = nil
			return
		}
		var m struct {
			ID     int
			Method string
			Params json.RawMessage
			reply
		}
		if json.Unmarshal(bytes.TrimRight(text, "\x00"), &m) != nil {
			continue
		}
		b.mu.Lock()
		if c, ok := b.calls[m.ID]; ok {
			delete(b.calls, m.ID)
			c <- m.reply
		}
		if m.Method == "Log.entryAdded" || m.Method == "Runtime.exceptionThrown" {
			b.trouble = append(b.trouble, string(m.Params))
		}
		b.mu.Unlock()
	}
}

// Trouble is what pages have complained of: scripts that failed, what their policy
// forbade, what could not be loaded.
func (b *Browser) Trouble() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trouble
}

// call calls a method of the protocol, and fails the test if that fails.
func (b *Browser) call(session, method string, params, result any) {
	b.t.Helper()
	if err := b.try(session, method, params, result); err != nil {
		b.t.Fatalf("%s: %v\n%s", method, err, b.Output())
	}
}

func (b *Browser) try(session, method string, params, result any) error {
	if params == nil {
		params = struct{}{}
	}
	c := make(chan reply, 1)
	b.mu.Lock()
	if b.calls == nil {
		b.mu.Unlock()
		return errors.New("the browser has ended")
	}
	b.last++
	id := b.last
	b.calls[id] = c
	text, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params, "sessionId": session})
	if session == "" {
		text, err = json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	}
	if err == nil {
		_, err = b.out.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case r, ok := <-c:
		switch {
		case !ok:
			return errors.New("the browser has ended")
		case r.Error != nil:
			return errors.New(r.Error.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(r.Result, result)
	case <-time.After(browserLimit):
		return fmt.Errorf("no answer within %v", browserLimit)
	}
}

// Tab is a page in a browser.
type Tab struct {
	browser *Browser
	session string
}

// Tab opens an empty page.
func (b *Browser) Tab() *Tab {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p := &Tab{browser: b, session: attached.SessionID}
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		p.call(domain+".enable", nil, nil)
	}
	return p
}

func (p *Tab) call(method string, params, result any) {
	p.browser.t.Helper()
	p.browser.call(p.session, method, params, result)
}

// Screen is what a page is shown on.
type Screen struct {
	Width, Height int // in CSS pixels
	Dark          bool
	NoScript      bool
}

// On shows the page on another screen.
func (p *Tab) On(s Screen) {
	p.browser.t.Helper()
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": s.Width, "height": s.Height, "deviceScaleFactor": 1, "mobile": s.Width < 600,
	}, nil)
	scheme := "light"
	if s.Dark {
		scheme = "dark"
	}
	p.call("Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
	}, nil)
	p.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": s.NoScript}, nil)
}

// Go loads an address, and waits until it is there.
func (p *Tab) Go(url string) {
	p.browser.t.Helper()
	var went struct{ ErrorText string }
	p.call("Page.navigate", map[string]any{"url": url}, &went)
	if went.ErrorText != "" {
		p.browser.t.Fatalf("%s: %s", url, went.ErrorText)
	}
	p.Loaded()
}

// Loaded waits until the page that is under way is there.
func (p *Tab) Loaded() {
	p.browser.t.Helper()
	Until(p.browser.t, browserLimit, "the page is loaded", func() error {
		var state string
		p.Eval(`location.href + " " + document.readyState`, &state)
		if state == "about:blank complete" || !bytes.HasSuffix([]byte(state), []byte(" complete")) {
			return errors.New(state)
		}
		return nil
	})
}

// Eval evaluates an expression of JavaScript, waits for it if it is a promise, and
// decodes its value. Without v it is for what it does, such as to leave the page. A
// page that is being left tells no value: then the next one is asked.
func (p *Tab) Eval(expression string, v any) {
	p.browser.t.Helper()
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	Until(p.browser.t, browserLimit, expression, func() error {
		err := p.browser.try(p.session, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &out)
		if v == nil {
			return nil
		}
		return err
	})
	if out.ExceptionDetails != nil {
		p.browser.t.Fatalf("%s: %s", expression, out.ExceptionDetails)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(out.Result.Value, v); err != nil {
		p.browser.t.Fatalf("%s: %v", expression, err)
	}
}

// Text is what an element says to who looks at the page, "" if there is none.
func (p *Tab) Text(selector string) string {
	p.browser.t.Helper()
	var text string
	p.Eval(fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector), &text)
	return text
}

// Screenshot writes the whole page to a PNG file.
func (p *Tab) Screenshot(file string) {
	p.browser.t.Helper()
	var shot struct{ Data string }
	p.call("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(file, png, 0o600)
	}
	if err != nil {
		p.browser.t.Fatalf("%v", err)
	}
}
