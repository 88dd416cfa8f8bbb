//go:build linux

package integration

import (
	"os"
	"testing"

	"github.com/namewall/namewall/integration/lab"
)

func TestMain(m *testing.M) {
	os.Exit(lab.Main(m.Run))
}
