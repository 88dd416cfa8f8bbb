package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// available are the commands that help lists.
func available(root *cobra.Command) (all []*cobra.Command) {
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			all = append(all, c)
		}
	}
	return all
}

// Every command has its exit codes in commands.md, an example of itself, and, if it
// asks a running process, JSON.
func TestCommandsAreTold(t *testing.T) {
	text, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllSubmatch(text, -1) {
		told = append(told, string(m[1]))
	}
	var there []string
	for _, c := range available(rootCommand()) {
		there = append(there, c.Name())
		examples := []string{c.Example}
		for _, below := range c.Commands() {
			examples = append(examples, below.Example)
		}
		if !strings.Contains(strings.Join(examples, "\n"), "namewall "+c.Name()) {
			t.Errorf("%s has no example", c.Name())
		}
		if c.Flags().Lookup("socket") != nil && c.Flags().Lookup("json") == nil {
			t.Errorf("%s has no --json", c.Name())
		}
	}
	slices.Sort(told)
	slices.Sort(there)
	if !slices.Equal(told, there) {
		t.Errorf("commands.md has %q, there are %q", told, there)
	}
}

// What is for people is there for programs too.
func TestJSON(t *testing.T) {
	var v map[string]string
	if _, stdout, _ := namewall("version", "--json"); json.Unmarshal([]byte(stdout), &v) != nil || v["namewall"] != "devel" || v["coredns"] != "1.15.0" {
		t.Errorf("%v", v)
	}
	conf := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(conf, []byte(". {\n whoami\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.nft")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var found struct {
		Findings []struct{ About, Level, Text string }
	}
	code, stdout, stderr := namewall("check", "-conf", conf, "--nft", empty, "--json")
	if err := json.Unmarshal([]byte(stdout), &found); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	if f := found.Findings[0]; f.About != "rules" || f.Level != "warning" || !strings.HasPrefix(f.Text, "there is none") {
		t.Errorf("%+v", f)
	}
}

// There is a manual page for each command.
func TestManualPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man8")
	if code, _, stderr := namewall("man", dir); code != exitOK {
		t.Fatal(stderr)
	}
	want := map[string]string{"namewall.8": "A resolver whose answers"}
	for _, c := range available(rootCommand()) {
		want["namewall-"+c.Name()+".8"] = strings.Fields(c.Short)[0]
	}
	for page, word := range want {
		file := filepath.Join(dir, page)
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte(word)) || !bytes.Contains(text, []byte(".TH \"NAMEWALL")) {
			t.Errorf("%s: %v\n%s", page, err, text)
		}
	}
	if code, _, _ := namewall("man"); code != exitUsage {
		t.Errorf("without a directory: exit code %d", code)
	}
}

// The completion is a script that bash can read. What it offers of the running
// process is tested in integration.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, stdout, stderr := namewall("completion", shell)
		if code != exitOK || !strings.Contains(stdout, "__complete") {
			t.Errorf("%s: exit code %d, %s", shell, code, stderr)
		}
		if shell != "bash" {
			continue
		}
		check := exec.Command("bash", "-n")
		check.Stdin = strings.NewReader(stdout)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	for args, want := range map[string]string{
		"mode ":        "feed\nenforce\n:4\n",
		"sta":          "status\tSay whether",
		"list --rule ": ":4\n", // nobody can be asked
	} {
		line := strings.Split(args, " ")
		if strings.HasPrefix(args, "list") {
			line = []string{"list", "--socket", "/nowhere", "--rule", ""}
		}
		if _, stdout, _ := namewall(append([]string{"__complete"}, line...)...); !strings.HasPrefix(stdout, want) {
			t.Errorf("%q: %q", args, stdout)
		}
	}
}
