package nftset

import (
	"net/http"
	"sync"

	"github.com/namewall/namewall/internal/control"
)

// controlOff is what the Corefile says for no control socket.
const controlOff = "off"

// controller serves the control socket over reloads, away from the answer path.
// Where it can't, the site's DNS goes on without: that is logged.
type controller struct {
	handler http.Handler

	mu     sync.Mutex // guards what follows
	server *control.Server
	path   string // that is served, "": none
	told   string // why none is, as logged
}

// use serves the socket at path from now on, "" for none. A socket that could not
// be served is tried again with each configuration.
func (c *controller) use(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if path == c.path {
		return
	}
	c.stop()
	if path == "" {
		return
	}
	server, err := control.Listen(path, c.handler)
	if err != nil {
		if c.told != err.Error() {
			c.told = err.Error()
			log.Errorf("no control socket, commands such as 'namewall status' won't work: %v", err)
		}
		return
	}
	c.server, c.path, c.told = server, path, ""
}

// close stops serving, and removes the socket.
func (c *controller) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop()
}

// stop is close with the mutex held.
func (c *controller) stop() {
	if c.server == nil {
		return
	}
	if err := c.server.Close(); err != nil {
		log.Warningf("control socket: %v", err)
	}
	c.server, c.path = nil, ""
}
