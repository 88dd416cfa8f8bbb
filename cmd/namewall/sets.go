package main

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// sets are the sets of one ruleset.
type sets map[set.ID]nft.Set

// named tells the tables that have a set of this name, quoted.
func (all sets) named(name string) []string {
	var tables []string
	for id := range all {
		if id.Name == name {
			tables = append(tables, fmt.Sprintf("'%s %s'", id.Family, id.Table))
		}
	}
	slices.Sort(tables)
	return tables
}

// kernelSets reads the sets of this network namespace.
func kernelSets() (sets, error) {
	r, err := nft.OpenReader(nft.Options{})
	if err != nil {
		return nil, fmt.Errorf("the kernel's sets can't be read: %w", err)
	}
	defer r.Close()
	list, err := r.Sets()
	switch {
	case errors.Is(err, syscall.EPERM):
		return nil, errors.New("the kernel's sets can't be read without CAP_NET_ADMIN: run as root, or as the service does, or compare with a file by --nft")
	case err != nil:
		return nil, fmt.Errorf("the kernel's sets can't be read: %w", err)
	}
	all := make(sets, len(list))
	for _, s := range list {
		if s.Count < 0 {
			if s.Count, err = count(r, s); err != nil {
				return nil, fmt.Errorf("the elements of %s can't be read: %w", s.ID, err)
			}
		}
		all[s.ID] = s
	}
	return all, nil
}

// count counts the elements of a set in place of a kernel that doesn't say.
func count(r *nft.Reader, s nft.Set) (int, error) {
	if s.UsableForRanges() == nil {
		ranges, err := r.Ranges(s)
		return len(ranges), err
	}
	n := 0
	err := r.Elements(s, func(nft.Element) error { n++; return nil })
	return n, err
}
