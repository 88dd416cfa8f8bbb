//go:build linux && !race

package lab

// race tells whether the tests are built with the race detector, and so the
// binary under test, too.
const race = false
