//go:build !race

package lab

// Race tells whether the tests, and with them the binary under test, are built
// with the race detector, which makes everything several times slower.
const Race = false
