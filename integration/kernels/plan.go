//go:build linux && amd64

package kernels

// Where things are in a machine's file system.
const (
	PlanFile     = "/plan.json"
	TestFolder   = "/tests" // with a folder for each package
	TestBinary   = "test"   // in the package's folder
	ModuleFolder = "/modules"
)

// Port is the device to which a machine writes what the tests print, between
// lines that tell where each package begins and ends. The kernel's own messages
// go to the console, another port, so that the two don't mix.
const Port = "/dev/ttyS1"

// The lines between the tests' output are one of these words, and the package.
const (
	Began = "@began"
	Ended = "@ended" // with the exit status before the package
	Broke = "@broke" // the machine, with the reason in place of the package
)

// Plan is what a machine does.
type Plan struct {
	Modules []string // files to load, in this order
	Tests   []Tests  // to run, in this order
}

// Tests are tests of one package.
type Tests struct {
	Package string   // its path within the module
	Args    []string // for the binary
}
