package nftset

import (
	"bytes"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/caddy/caddyfile"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	pkgparse "github.com/coredns/coredns/plugin/pkg/parse"
	"github.com/coredns/coredns/plugin/pkg/transport"

	"github.com/namewall/namewall/internal/rule"
)

// serverType is the type under which CoreDNS registers with caddy.
const serverType = "dns"

// Corefile is a whole configuration: what nftset has been told, and all the
// server blocks, also those without it.
type Corefile struct {
	*Config
	Servers []*Server
}

// Server is one server block.
type Server struct {
	Place Place // where it begins; without a line if it is imported as a whole
	Keys  []Key
	Bind  []string // the words of `bind`; empty: all addresses
	View  string   // the name of its view, if it has one
	Rules []*rule.Rule

	tokens map[string][]caddyfile.Token // by directive
}

// Key is one of the keys that head a server block.
type Key struct {
	Transport string // dns, tls, https, ...
	Zone      string // lower-case and fully qualified
	Port      string
}

// String is the key as CoreDNS writes it at its start.
func (k Key) String() string { return k.Transport + "://" + k.Zone + ":" + k.Port }

// Load reads a Corefile, with its imports and environment variables, and
// starts nothing. Of all directives it sets up nftset alone: that the others
// are right is not asked here.
func Load(input caddy.Input) (*Corefile, error) { return loadWith(input, nil) }

// loadWith is Load where the files of names have been read already.
func loadWith(input caddy.Input, lists map[string]list) (*Corefile, error) {
	blocks, err := caddyfile.Parse(input.Path(), bytes.NewReader(input.Body()), caddy.ValidDirectives(serverType))
	if err != nil {
		return nil, err
	}
	f := &Corefile{Config: &Config{lists: lists}}
	places := heads(input.Path(), input.Body())
	for i, block := range blocks {
		s := &Server{tokens: block.Tokens, Place: Place{File: input.Path()}}
		if len(places) == len(blocks) {
			s.Place = places[i]
		}
		if err := f.read(s, i, block.Keys); err != nil {
			return nil, err
		}
		f.Servers = append(f.Servers, s)
	}
	return f, f.finish()
}

// read fills s in from the words of its block, the index-th of the Corefile.
func (f *Corefile) read(s *Server, index int, keys []string) error {
	for _, word := range keys {
		k, err := parseKey(word)
		if err != nil {
			return s.Place.Errorf("server block '%s': %w", word, err)
		}
		s.Keys = append(s.Keys, k...)
	}
	s.Bind = s.words("bind")
	if view := s.words("view"); len(view) > 0 {
		s.View = view[0]
	}
	tokens, ok := s.tokens[directive]
	if !ok {
		return nil
	}
	root := ""
	if words := s.words("root"); len(words) > 0 {
		root = words[len(words)-1] // the last line counts
	}
	b, err := parse(&caddy.Controller{
		Dispenser:        caddyfile.NewDispenserTokens(s.Place.File, tokens),
		ServerBlockIndex: index,
		ServerBlockKeys:  words(s.Keys),
	}, f.Config, root)
	if err != nil {
		return err
	}
	s.Rules = b.Rules
	return nil
}

// parseKey reads a key of a server block as CoreDNS does (dnsserver's
// InspectServerBlocks): a prefix stands for its reverse zones.
func parseKey(word string) ([]Key, error) {
	trans, rest := pkgparse.Transport(word)
	zones, port, err := plugin.SplitHostPort(rest)
	if err != nil {
		return nil, err
	}
	if port == "" {
		port = defaultPort(trans)
	}
	keys := make([]Key, len(zones))
	for i, zone := range zones {
		keys[i] = Key{Transport: trans, Zone: plugin.Name(zone).Normalize(), Port: port}
	}
	return keys, nil
}

// zonesOf are the zones of a server block's keys.
func zonesOf(keys []string) []string {
	var zones []string
	for _, word := range keys {
		parsed, err := parseKey(word)
		if err != nil {
			continue // CoreDNS has read it already
		}
		for _, k := range parsed {
			zones = append(zones, k.Zone)
		}
	}
	return zones
}

func defaultPort(trans string) string {
	switch trans {
	case transport.TLS:
		return transport.TLSPort
	case transport.QUIC:
		return transport.QUICPort
	case transport.GRPC:
		return transport.GRPCPort
	case transport.HTTPS, transport.HTTPS3:
		return transport.HTTPSPort
	}
	return dnsserver.Port // a flag
}

// heads finds the lines where the server blocks begin, which caddy's parser
// doesn't keep. It returns nil for a Corefile that imports whole blocks.
func heads(path string, body []byte) []Place {
	var out []Place
	depth, inHead := 0, false
	d := caddyfile.NewDispenser(path, bytes.NewReader(body))
	for d.Next() {
		switch word := d.Val(); {
		case word == "{":
			depth, inHead = depth+1, false
		case word == "}":
			depth--
		case depth > 0 || inHead:
		case word == "import":
			return nil
		default:
			inHead = true
			if !strings.HasPrefix(word, "(") { // a snippet
				out = append(out, Place{File: path, Line: d.Line()})
			}
		}
	}
	return out
}

// words are the words behind a directive, up to its block.
func (s *Server) words(directive string) []string {
	var out []string
	d := caddyfile.NewDispenserTokens("", s.tokens[directive])
	for d.Next() {
		out = append(out, d.RemainingArgs()...)
		for d.NextBlock() {
			d.RemainingArgs()
		}
	}
	return out
}

// Has tells whether the block has the directive.
func (s *Server) Has(directive string) bool { return len(s.tokens[directive]) > 0 }

// Says tells whether the words stand one after the other inside the directive.
func (s *Server) Says(directive string, words ...string) bool {
	var texts []string
	for _, token := range s.tokens[directive] {
		texts = append(texts, token.Text)
	}
	return strings.Contains("\x00"+strings.Join(texts, "\x00")+"\x00", "\x00"+strings.Join(words, "\x00")+"\x00")
}
