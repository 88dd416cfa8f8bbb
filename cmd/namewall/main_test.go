package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestMain lets this test binary stand in for namewall where a test, or the
// command under test, starts it as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("NAMEWALL_TEST_COMMAND") != "" || len(os.Args) > 1 && os.Args[1] == "sets" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// namewall carries out a command line.
func namewall(args ...string) (code int, stdout, stderr string) {
	var out, text bytes.Buffer
	code = run(args, &out, &text)
	return code, out.String(), text.String()
}

func TestUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string // parts of them
	}{
		"none":            {nil, exitUsage, "", "a command is missing"},
		"help":            {[]string{"help"}, exitOK, "Run the server", ""},
		"help flag":       {[]string{"-h"}, exitOK, "Run the server", ""},
		"CoreDNS's way":   {[]string{"-conf", "Corefile"}, exitUsage, "", "write 'namewall serve -conf Corefile'"},
		"unknown command": {[]string{"start"}, exitUsage, "", "unknown command 'start'"},
		"unknown flag":    {[]string{"check", "-config", "x"}, exitUsage, "", "unknown flag: --config"},
		"extra word":      {[]string{"nft", "Corefile"}, exitUsage, "", "unexpected 'Corefile': write -conf Corefile\n"},
		"no Corefile":     {[]string{"check", "-conf", "/nowhere/Corefile"}, exitWrong, "", "/nowhere/Corefile: no such file"},
		"word of version": {[]string{"version", "x"}, exitUsage, "", "unexpected 'x'\n"},
		"help of serve":   {[]string{"help", "serve"}, exitOK, "-dns.port", ""},
		"help of check":   {[]string{"check", "--help"}, exitOK, "--nft", ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := namewall(test.args...)
			if code != test.code || !strings.Contains(stdout, test.stdout) || !strings.Contains(stderr, test.stderr) {
				t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
			}
			if code != exitOK && stdout != "" {
				t.Errorf("an error on standard output: %s", stdout)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	for _, word := range []string{"version", "--version", "-version"} {
		code, stdout, _ := namewall(word)
		for _, part := range []string{"namewall  devel\n", "CoreDNS   1.15.0\n", "Go        go1."} {
			if code != exitOK || !strings.Contains(stdout, part) {
				t.Errorf("%s: exit code %d, %q lacks %q", word, code, stdout, part)
			}
		}
	}
}
