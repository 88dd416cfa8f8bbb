package resolve

import (
	"math/rand/v2"
	"time"

	"github.com/namewall/namewall/internal/rule"
)

const (
	// askMin is the least time between two questions for a name that resolves:
	// what CoreDNS's cache makes of shorter TTLs.
	askMin = 5 * time.Second
	// askMax is how long one question may take. CoreDNS's forward gives up after
	// 5 s, and may have to be asked twice, over TCP after UDP.
	askMax = 12 * time.Second

	// backoffMin and backoffMax bound the pause after a question that failed, or
	// an admission. Addresses are kept meanwhile, so that nothing hurries; a
	// thousand names that all fail are some thirty questions a second.
	backoffMin = time.Second
	backoffMax = time.Minute

	// firstRoundMax is how long the gateway may be called not ready for names
	// that haven't been tried yet. It is not to wait for a vendor's server.
	firstRoundMax = 5 * time.Second

	// lateMax bounds how much later than the TTL's end a name is asked for. It
	// spreads a thousand names with the same TTL thinly.
	lateMax = 30 * time.Second
	// latePart is the part of the TTL that the delay may be, half of the life
	// that a commit has to spare.
	latePart = 16
)

// afterAnswer is how long after a good answer with that TTL its name is asked for
// again: when the caches below have let go of the answer, and a little later, so
// that names spread. The addresses live for the TTL and GRACE at least.
func afterAnswer(ttl time.Duration, l rule.Lifetime) time.Duration {
	ttl = max(askMin, l.Cap(ttl))
	return ttl + upTo(min(ttl/latePart, lateMax, l.Grace/2))
}

// backoff is the pause after n failures in a row.
func backoff(n int) time.Duration {
	d := backoffMax
	if n < 7 { // 2⁶ s is more
		d = min(d, backoffMin<<(n-1))
	}
	return d/2 + upTo(d/2)
}

// upTo is a random duration.
func upTo(d time.Duration) time.Duration { return rand.N(d + 1) }

// assured is how long after its admission an address with that TTL is certain to
// be in its sets yet, with a little time left to admit it again.
func assured(ttl time.Duration, l rule.Lifetime) time.Duration {
	return l.Needed(ttl) - min(time.Second, l.Grace/4)
}
