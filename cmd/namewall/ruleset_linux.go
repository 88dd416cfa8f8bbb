package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/mdlayher/netlink"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/namewall/namewall/internal/nft"
)

// rulesetSets are the sets that a file of nft(8) declares. The file is loaded
// by nft(8) itself, as it may include others, define variables and refer to
// whatever it likes, in a network namespace that ends with the process in it.
func rulesetSets(file string) (sets, error) {
	var interfaces []string
	if list, err := net.Interfaces(); err == nil {
		for _, i := range list {
			interfaces = append(interfaces, i.Name)
		}
	}
	out, err := runIsolated(append([]string{"sets", file}, interfaces...))
	if err != nil {
		return nil, err
	}
	var list []nft.Set
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("sets of %s: %w", file, err)
	}
	all := make(sets, len(list))
	for _, s := range list {
		all[s.ID] = s
	}
	return all, nil
}

// runIsolated runs this binary with args and returns what it prints. The process
// may make network namespaces: where this one may not, it is started as the root
// of a user namespace.
func runIsolated(args []string) ([]byte, error) {
	var out, text bytes.Buffer
	c := exec.Command("/proc/self/exe", args...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, &out, &text
	if !mayMakeNetworks() {
		c.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("no namespace can be made to load the file in, run as root or allow user namespaces: %w", err)
	}
	if err := c.Wait(); err != nil {
		return nil, errors.New(strings.TrimPrefix(strings.TrimSpace(text.String()), "namewall: "))
	}
	return out.Bytes(), nil
}

// mayMakeNetworks tells whether this process has CAP_SYS_ADMIN.
func mayMakeNetworks() bool {
	var data [2]unix.CapUserData // of 32 capabilities each
	err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0])
	return err == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// setsCommand is the part of check that loads the file. It always makes a
// network namespace first: whoever calls it by hand changes nothing.
func setsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "sets FILE [INTERFACE...]",
		Short:  "Load FILE in a network namespace of its own, and print its sets",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			// The thread, and the namespace with it, ends with the process.
			runtime.LockOSThread()
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("no network namespace can be made to load the file in: %w", err)
			}
			// A ruleset may refer to interfaces that must exist for it to
			// load (iif, devices of chains and flowtables). Whether one was missed is
			// nft's to say.
			_ = makeInterfaces(args[1:])
			if err := loadRuleset(args[0]); err != nil {
				return err
			}
			list, err := kernelSets()
			if err != nil {
				return err
			}
			return json.NewEncoder(c.OutOrStdout()).Encode(slices.Collect(maps.Values(list)))
		},
	}
}

// loadRuleset runs nft(8).
func loadRuleset(file string) error {
	program, err := exec.LookPath("nft")
	if err != nil { // sbin is not in everybody's PATH
		if program, err = exec.LookPath("/usr/sbin/nft"); err != nil {
			return errors.New("nft(8) is not installed, and without it a ruleset can't be read")
		}
	}
	c := exec.Command(program, "-f", file)
	c.Stdin = os.Stdin
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("nft can't load %s: %s", file, bytes.TrimSpace(out))
	}
	return nil
}

// kinds are the kinds of interfaces that need nothing else to exist, of which
// few kernels have none.
var kinds = []string{"dummy", "bridge", "veth"}

// makeInterfaces makes interfaces with these names.
func makeInterfaces(names []string) error {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	var errs []error
	for _, name := range names {
		for _, kind := range kinds {
			err = makeInterface(conn, name, kind)
			if err == nil || errors.Is(err, unix.EEXIST) { // such as lo
				err = nil
				break
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func makeInterface(conn *netlink.Conn, name, kind string) error {
	e := netlink.NewAttributeEncoder()
	e.String(unix.IFLA_IFNAME, name)
	e.Nested(unix.IFLA_LINKINFO, func(e *netlink.AttributeEncoder) error {
		e.String(unix.IFLA_INFO_KIND, kind)
		return nil
	})
	attributes, err := e.Encode()
	if err != nil {
		return err
	}
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  unix.RTM_NEWLINK,
			Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl,
		},
		Data: append(make([]byte, unix.SizeofIfInfomsg), attributes...),
	})
	return err
}
