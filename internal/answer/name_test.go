package answer

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

func TestCutSuffix(t *testing.T) {
	for _, test := range []struct {
		name, owner, prefix string
		below               bool
	}{
		{"a.b.", "b.", "a.", true},
		{"a.b.c.", "C.", "a.b.", true},
		{"b.", "b.", "", false},
		{"ab.", "b.", "", false},
		{"b.", "a.b.", "", false},
		{"a.b.", "c.", "", false},
		{"a.", ".", "a.", true},
		{".", ".", "", false},
		{`a\.b.`, "b.", "", false},
		{`a\\.b.`, "b.", `a\\.`, true},
		{`a\\\.b.`, "b.", "", false},
		{`\000.b.`, "b.", `\000.`, true},
	} {
		prefix, below := cutSuffix(test.name, test.owner)
		if below != test.below || below && prefix != test.prefix {
			t.Errorf("%s below %s: got %q, %v", test.name, test.owner, prefix, below)
		}
	}
}

func TestLowerKeepsTheString(t *testing.T) {
	name := `wWw.\065Ä.exAMple.`
	if got, want := Lower(name), `www.\065Ä.example.`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	name = Lower(name)
	if n := testing.AllocsPerRun(100, func() { Lower(name) }); n != 0 {
		t.Errorf("%v allocations for a name in lower case", n)
	}
}

// wireNames draws names of arbitrary bytes, as labels in wire form.
func wireNames(labels int) *rapid.Generator[[]string] {
	label := rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.OneOf(
			rapid.ByteRange('A', 'C'), rapid.ByteRange('a', 'c'), rapid.SampledFrom([]byte(`.\0 9`)), rapid.Byte(),
		), 1, 4).Draw(t, "label"))
	})
	return rapid.SliceOfN(label, 0, labels)
}

// unpack gives the labels the form that miekg/dns has for them.
func unpack(t rapid.TB, labels []string) string {
	name, _, err := dns.UnpackDomainName([]byte(pack(labels)), 0)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func pack(labels []string) string {
	var b strings.Builder
	for _, l := range labels {
		b.WriteByte(byte(len(l)))
		b.WriteString(l)
	}
	b.WriteByte(0)
	return b.String()
}

// What is done to names in presentation form is the same in wire form.
func TestNamesAsOnTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := wireNames(4).Draw(t, "a"), wireNames(2).Draw(t, "b")
		if rapid.Bool().Draw(t, "below") {
			a = append(a, b...)
		}
		textA, textB := unpack(t, a), unpack(t, b)
		if got, want := nameLen(textA), len(pack(a)); got != want {
			t.Fatalf("length of %s: got %d, want %d", textA, got, want)
		}
		if got, want := sameName(textA, textB), asciiLower(pack(a)) == asciiLower(pack(b)); got != want {
			t.Fatalf("%s equals %s: got %v, want %v", textA, textB, got, want)
		}
		if got, want := Lower(textA), unpack(t, lowerLabels(a)); got != want {
			t.Fatalf("%s in lower case: got %s, want %s", textA, got, want)
		}
		n := len(a) - len(b)
		want := n > 0 && asciiLower(pack(a[n:])) == asciiLower(pack(b))
		prefix, got := cutSuffix(textA, textB)
		if got != want || got && prefix != unpack(t, a[:n]) {
			t.Fatalf("%s below %s: got %q %v, want %v", textA, textB, prefix, got, want)
		}
		if !got {
			return
		}
		c := wireNames(2).Draw(t, "c")
		joined := unpack(t, append(a[:n:n], c...))
		if got := join(prefix, unpack(t, c)); got != joined {
			t.Fatalf("%s with %s: got %s, want %s", prefix, unpack(t, c), got, joined)
		}
		if !isJoin(joined, prefix, unpack(t, c)) || isJoin(joined, prefix, "other.name.") {
			t.Fatalf("isJoin is wrong about %s with %s", prefix, unpack(t, c))
		}
	})
}

func lowerLabels(labels []string) []string {
	out := make([]string, len(labels))
	for i, l := range labels {
		out[i] = asciiLower(l)
	}
	return out
}

// asciiLower is for strings that aren't UTF-8.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
