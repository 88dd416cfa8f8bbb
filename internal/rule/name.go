package rule

import "strings"

// The limits of RFC 1035 §2.3.4, for names written with dots and without the
// final one: 255 octets on the wire are 253 characters here.
const (
	maxName  = 253
	maxLabel = 63
)

// other stands in a folded name for an octet that no pattern can have.
const other = 0

// fold appends name to dst in the form in which patterns are looked up: without
// the final dot and without escapes (RFC 4343 §2.1, RFC 1035 §5.1). An octet
// that was escaped is itself if patterns can have it, and otherwise becomes
// other; so a dot inside a label is none that separates labels. The name is
// lower-case already; the root becomes nothing.
//
// It reports false if name is longer than a name can be. With a dst that has
// room for maxName octets it allocates nothing.
func fold(dst []byte, name string) ([]byte, bool) {
	if name, ok := plain(name); ok {
		return append(dst, name...), true
	}
	start := len(dst)
	for len(name) > 0 {
		if len(dst)-start > maxName {
			return dst, false
		}
		c, n := name[0], 1
		if c == '\\' {
			c, n = unescape(name)
		} else if c == '.' && n == len(name) {
			break
		}
		dst, name = append(dst, c), name[n:]
	}
	return dst, len(dst)-start <= maxName
}

// plain is what fold makes of a name without escapes, and no copy. It reports
// false if name has some, or is longer than a name can be.
func plain(name string) (string, bool) {
	if strings.IndexByte(name, '\\') >= 0 {
		return "", false
	}
	name = strings.TrimSuffix(name, ".")
	return name, len(name) <= maxName
}

// unescape is the octet that the escape at the start of s stands for, folded,
// and the escape's length: \DDD or \X.
func unescape(s string) (c byte, n int) {
	if len(s) == 1 {
		return other, 1
	}
	v, n := uint(s[1]), 2
	if len(s) >= 4 && digit(s[1]) && digit(s[2]) && digit(s[3]) {
		v, n = uint(s[1]-'0')*100+uint(s[2]-'0')*10+uint(s[3]-'0'), 4
	}
	if v > 255 {
		return other, n
	}
	c = lower(byte(v))
	if !inLabel(c) {
		c = other
	}
	return c, n
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// inLabel tells whether a label of a pattern can have c: hosts' names by RFC
// 1123 §2.1, and '_', which the DNS has no objection to (RFC 2181 §11) and
// services use.
func inLabel(c byte) bool {
	return c >= 'a' && c <= 'z' || digit(c) || c == '-' || c == '_'
}
