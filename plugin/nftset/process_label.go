package nftset

import (
	"strings"
	"sync"
)

// processLabels are the process names that metrics tell apart. Any program with
// CAP_NET_ADMIN can change sets and call itself what it likes, so they are few:
// nft, and whatever else a gateway runs.
const processLabels = 20

// labelSet bounds the values of a label.
type labelSet struct {
	mu    sync.Mutex // guards known
	known map[string]struct{}
}

// label is name, "unknown" if it is empty, or "other" if there are too many.
func (l *labelSet) label(name string) string {
	if name == "" {
		return "unknown"
	}
	name = strings.ToValidUTF8(name, "?") // a label may be nothing else
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.known[name]; ok {
		return name
	}
	if len(l.known) >= processLabels {
		return "other"
	}
	if l.known == nil {
		l.known = make(map[string]struct{})
	}
	l.known[name] = struct{}{}
	return name
}
