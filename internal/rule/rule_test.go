package rule

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMode(t *testing.T) {
	if Enforce.String() != "enforce" || Feed.String() != "feed" {
		t.Errorf("modes are called %v and %v", Enforce, Feed)
	}
}

func TestLifetime(t *testing.T) {
	usual := Lifetime{Min: DefaultMin, Max: DefaultMax, Grace: DefaultGrace}
	for _, test := range []struct {
		name            string
		life            Lifetime
		ttl             time.Duration
		cap             time.Duration
		needed, written time.Duration
	}{
		{"ttl 0", usual, 0, 0, time.Minute, time.Hour + time.Minute},
		{"short ttl", usual, time.Minute, time.Minute, 2 * time.Minute, time.Hour + time.Minute},
		{"an eighth beyond the ttl", usual, 2 * time.Hour, 2 * time.Hour, 2*time.Hour + time.Minute, 2*time.Hour + 15*time.Minute + time.Minute},
		{"slack lifts it over the minimum", usual, 55 * time.Minute, 55 * time.Minute, 56 * time.Minute, 55*time.Minute + 412500*time.Millisecond + time.Minute},
		{"capped", usual, 48 * time.Hour, 24 * time.Hour, 24*time.Hour + time.Minute, 27*time.Hour + time.Minute},
		{"no minimum", Lifetime{Max: time.Hour, Grace: time.Second}, time.Second, time.Second, 2 * time.Second, 4 * time.Second},
		{"grace beyond the minimum", Lifetime{Min: time.Second, Max: time.Hour, Grace: time.Minute}, 0, 0, time.Minute, time.Minute + 2*time.Second},
		{"nothing at all", Lifetime{}, time.Hour, 0, 0, 2 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.life.Cap(test.ttl); got != test.cap {
				t.Errorf("capped at %v, want %v", got, test.cap)
			}
			if got := test.life.Needed(test.ttl); got != test.needed {
				t.Errorf("needed %v, want %v", got, test.needed)
			}
			if got := test.life.Written(test.ttl); got != test.written {
				t.Errorf("written %v, want %v", got, test.written)
			}
		})
	}
}

// What is written covers the answer for which it is written, and the same answer
// from a cache some time later: otherwise each answer would cost a commit.
func TestLifetimeWrittenExceedsNeeded(t *testing.T) {
	const most = 1 << 31 * time.Second // the largest TTL, RFC 2181 §8
	durations := rapid.OneOf(
		rapid.SampledFrom([]time.Duration{0, 1, time.Second, time.Minute, most}),
		rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(most)).Draw(t, "ns"))
		}),
	)
	rapid.Check(t, func(t *rapid.T) {
		life := Lifetime{
			Min: durations.Draw(t, "min"), Max: durations.Draw(t, "max"), Grace: durations.Draw(t, "grace"),
		}
		ttl := durations.Draw(t, "ttl")
		needed, written := life.Needed(ttl), life.Written(ttl)
		if spare := written - needed; spare < slackMin || spare < life.Cap(ttl)/slackPart {
			t.Fatalf("%v written for %v needed", written, needed)
		}
		if needed < life.Grace || written < life.Min+life.Grace || life.Cap(ttl) > life.Max {
			t.Fatalf("out of bounds: needed %v, written %v, cap %v", needed, written, life.Cap(ttl))
		}
	})
}
