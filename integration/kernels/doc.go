//go:build linux && amd64

// Package kernels runs the tests of those packages that talk to the kernel on
// kernels that gateways have, other than the running one: Debian 12's own and
// its newer one, each in a virtual machine.
//
// A machine is a kernel from Debian's packages, unpacked, and an initial file
// system in memory: the packages' tests as static binaries, nft and ip with
// their libraries, the modules, and the program in folder init, which runs the
// tests. There is no disk, no network and nothing of the host in it. The processor
// is emulated, which is slow but needs neither rights nor hardware.
//
// What the kernels are and what holds on each is in docs/kernels.md.
package kernels
