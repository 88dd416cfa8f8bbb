package nftset

import (
	"io"
	"net/http"
	"sync"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/web"
)

// service is the control socket or the page, which is served over reloads, away
// from the answer path. Where it can't be, the site's DNS goes on without: that is
// logged.
type service struct {
	name   string // for the log
	lack   string // what its absence means, for the log
	listen func(where string) (io.Closer, error)

	mu     sync.Mutex // guards what follows
	server io.Closer
	where  string // it is served, "": nowhere
	told   string // why it isn't, as logged
}

func newControl(api http.Handler) *service {
	return &service{
		name: "control socket", lack: "no control socket, commands such as 'namewall status' won't work",
		listen: func(path string) (io.Closer, error) { return control.Listen(path, api) },
	}
}

func newPage(api http.Handler) *service {
	return &service{
		name: "page", lack: "no page to look at, which changes nothing else",
		listen: func(addr string) (io.Closer, error) { return web.Listen(addr, api) },
	}
}

// use serves it there from now on, "" for nowhere. What could not be served is
// tried again with each configuration.
func (s *service) use(where string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if where == s.where {
		return
	}
	s.stop()
	if where == "" {
		return
	}
	server, err := s.listen(where)
	if err != nil {
		if s.told != err.Error() {
			s.told = err.Error()
			log.Errorf("%s: %v", s.lack, err)
		}
		return
	}
	s.server, s.where, s.told = server, where, ""
}

// close stops serving, and removes the control socket.
func (s *service) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

// stop is close with the mutex held.
func (s *service) stop() {
	if s.server == nil {
		return
	}
	if err := s.server.Close(); err != nil {
		log.Warningf("%s: %v", s.name, err)
	}
	s.server, s.where = nil, ""
}
