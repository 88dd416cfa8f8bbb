package nftset

import "testing"

// Whoever asks can ask about any name that a client can ask for.
func TestNameOf(t *testing.T) {
	for word, want := range map[string]string{
		"WWW.example.org": "www.example.org.", "b\u00fccher.example": "xn--bcher-kva.example.", "localhost.": "localhost.",
		"<IMG/src=x>.example": "<img/src=x>.example.", "0/25.2.0.192.in-addr.arpa": "0/25.2.0.192.in-addr.arpa.",
		`a\.b.example`: `a\.b.example.`, `\097.example`: "a.example.", "a@b.example": `a\@b.example.`,
	} {
		if got, err := nameOf(word); got != want || err != nil {
			t.Errorf("%s: got %s, %v", word, got, err)
		}
	}
	for _, wrong := range []string{"", "a..b", "*.example", "198.51.100.0/24"} {
		if got, err := nameOf(wrong); err == nil {
			t.Errorf("%s is the name %s", wrong, got)
		}
	}
}
