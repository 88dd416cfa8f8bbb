//go:build !linux

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// rulesetSets needs nftables, and so Linux.
func rulesetSets(file string) (sets, error) {
	return nil, fmt.Errorf("loading %s: %w", file, errors.ErrUnsupported)
}

// setsCommand exists on Linux only.
func setsCommand() *cobra.Command { return &cobra.Command{Hidden: true} }
