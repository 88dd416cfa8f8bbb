package answer

import "strings"

// Names are compared in the presentation form that miekg/dns's unpacker gives
// them: every byte has exactly one form there, so equal names are equal strings
// but for the case of ASCII letters (RFC 4343). A plugin may write a name in
// another form (`\065` for `A`); it is then taken for another name, which only
// makes something unreachable.

// maxName is the length of the longest name on the wire, RFC 1035 §2.3.4.
const maxName = 255

// sameName tells whether two names are equal.
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	if a == b {
		return true
	}
	for i := range len(a) {
		if a[i] != b[i] && toLower(a[i]) != toLower(b[i]) {
			return false
		}
	}
	return true
}

// Lower is a name in lower case: the same string if it has no capitals.
func Lower(name string) string {
	for i := range len(name) {
		if isUpper(name[i]) {
			b := []byte(name)
			for ; i < len(b); i++ {
				b[i] = toLower(b[i])
			}
			return string(b)
		}
	}
	return name
}

func isUpper(c byte) bool { return c-'A' < 26 }

func toLower(c byte) byte {
	if isUpper(c) {
		return c + ('a' - 'A')
	}
	return c
}

// cutSuffix splits a name that is below owner: the labels above it, with their
// final dot. It reports false for owner itself.
func cutSuffix(name, owner string) (prefix string, ok bool) {
	if owner == "." {
		return name, name != "."
	}
	n := len(name) - len(owner)
	if n <= 0 || name[n-1] != '.' || !sameName(name[n:], owner) {
		return "", false
	}
	prefix = name[:n]
	// A dot after an odd number of backslashes belongs to a label.
	unescaped := strings.TrimRight(prefix[:n-1], `\`)
	return prefix, (n-1-len(unescaped))%2 == 0
}

// join puts the labels of prefix before target.
func join(prefix, target string) string {
	if target == "." {
		return prefix
	}
	return prefix + target
}

// isJoin tells whether name equals join(prefix, target), without making it.
func isJoin(name, prefix, target string) bool {
	if target == "." {
		return sameName(name, prefix)
	}
	n := len(prefix)
	return len(name) == n+len(target) && sameName(name[:n], prefix) && sameName(name[n:], target)
}

// nameLen is the length of a fully qualified name on the wire.
func nameLen(name string) int {
	if name == "." {
		return 1
	}
	n := 1 // the root's length byte
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' {
			i++
			if i+2 < len(name) && isDigit(name[i]) && isDigit(name[i+1]) && isDigit(name[i+2]) {
				i += 2
			}
		}
		n++ // a byte of a label, or for its dot the length byte
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
