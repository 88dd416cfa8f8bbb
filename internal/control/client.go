package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// answerLimit is how long a command waits for an answer. Looking through a
// million elements takes a fraction of a second.
const answerLimit = 30 * time.Second

// Client asks the process that serves a socket.
type Client struct {
	path string
	http http.Client
}

// NewClient is a client of the socket at path. Nothing is connected yet.
func NewClient(path string) *Client {
	return newClient(path, func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	})
}

// Patience is how long an answer may take from now on.
func (c *Client) Patience(limit time.Duration) { c.http.Timeout = limit }

func newClient(path string, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *Client {
	return &Client{path: path, http: http.Client{Timeout: answerLimit, Transport: &http.Transport{DialContext: dial}}}
}

// Subject are the parameters of GET /v1/why that ask about an address or a name;
// service and client may be empty.
func Subject(word, service, client string) url.Values {
	parameters := url.Values{}
	kind := "name"
	if _, err := netip.ParseAddr(word); err == nil {
		kind = "address"
	}
	for name, value := range map[string]string{kind: word, "service": service, "client": client} {
		if value != "" {
			parameters.Set(name, value)
		}
	}
	return parameters
}

// Get asks for a path of the API and decodes the answer into v.
func (c *Client) Get(path string, parameters url.Values, v any) error {
	u := url.URL{Scheme: "http", Host: "namewall", Path: Version + path, RawQuery: parameters.Encode()}
	response, err := c.http.Get(u.String())
	return c.decode(response, err, v)
}

// Post sends body to a path of the API and decodes the answer into v.
func (c *Client) Post(path string, body, v any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	response, err := c.http.Post("http://namewall"+Version+path, "application/json", bytes.NewReader(text))
	return c.decode(response, err, v)
}

func (c *Client) decode(response *http.Response, err error, v any) error {
	if err != nil {
		return c.explain(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refusal(response)
	}
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		return fmt.Errorf("the answer of %s can't be read: %w", c.path, err)
	}
	return nil
}

// Stream asks for a path whose answer is one JSON value a line, and calls each with
// every line until it returns an error, which is returned, or the server ends.
func (c *Client) Stream(ctx context.Context, path string, each func(line []byte) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://namewall"+Version+path, nil)
	if err != nil {
		return err
	}
	patient := c.http
	patient.Timeout = 0
	response, err := patient.Do(request)
	if err != nil {
		return c.explain(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return refusal(response)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if err := each(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// explain says what to do about a socket that can't be reached.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no namewall serves %s: is it running, and does its Corefile say 'control' with another path?", c.path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody serves %s: namewall has ended without removing it", c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may be used by root and by the service's own user only", c.path)
	}
	return fmt.Errorf("asking %s: %w", c.path, err)
}

// refusal is what the server says is wrong.
func refusal(response *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return err
	}
	var p Problem
	if json.Unmarshal(body, &p) == nil && p.Error != "" {
		return errors.New(p.Error)
	}
	return fmt.Errorf("the server says %s", response.Status)
}
