package answer

import (
	"math"
	"time"
)

// ttls keeps the extremes of the TTLs of some records. The larger one is as it
// came, the smaller one as it counts.
type ttls struct{ min, max uint32 }

var noTTLs = ttls{min: math.MaxUint32}

func (t *ttls) add(ttl uint32) {
	t.min, t.max = min(t.min, effective(ttl)), max(t.max, ttl)
}

// atMost is ttl, or less if one of the records has less.
func (t ttls) atMost(ttl uint32) time.Duration {
	return time.Duration(min(t.min, effective(ttl))) * time.Second
}

func (t ttls) least() time.Duration {
	if t == noTTLs {
		return 0
	}
	return time.Duration(t.min) * time.Second
}

func (t ttls) uneven() bool { return t != noTTLs && t.max > t.min }

// effective is the TTL that counts: one with the top bit set is zero, RFC 2181 §8.
func effective(ttl uint32) uint32 {
	if ttl > math.MaxInt32 {
		return 0
	}
	return ttl
}

func seconds(ttl uint32) time.Duration { return time.Duration(effective(ttl)) * time.Second }
