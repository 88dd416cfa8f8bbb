package nft

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/namewall/namewall/internal/set"
)

// Causes that callers act upon, for [errors.Is].
var (
	// ErrNoSet: there is no such set, or no such table.
	ErrNoSet = errors.New("no such set")

	// ErrFull: the set has as many elements as its size allows.
	ErrFull = errors.New("the set is full")

	// ErrUnusable: there is such a set, but namewall can't write its elements.
	ErrUnusable = errors.New("unusable set")

	// ErrInterrupted: the ruleset kept changing while it was read.
	ErrInterrupted = errors.New("interrupted by changes of the ruleset")

	// ErrBroken: a Writer is out of step with the kernel, what it was told last
	// may or may not have been done. Close it and open another.
	ErrBroken = errors.New("broken netlink socket")
)

// Error is the kernel's refusal of one operation.
type Error struct {
	Kind   Kind
	Set    set.ID
	Errno  syscall.Errno
	Detail string // the kernel's own words, usually none (NLMSGERR_ATTR_MSG)

	fickle bool // the element came or went between one look at it and the next
}

// Error tells what was refused, and why.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s: %s", e.Set, e.Kind, e.Reason())
}

// Reason tells why, for who says anyway of which set it is. It is the same for
// all elements that are refused for the same reason.
func (e *Error) Reason() string {
	s := explain(e.Errno)
	if e.fickle {
		s = "somebody else keeps adding and deleting the element"
	}
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// Unwrap gives the errno.
func (e *Error) Unwrap() error { return e.Errno }

// Is maps the errnos that have a meaning of their own here to their causes.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNoSet:
		return e.Errno == syscall.ENOENT && !e.fickle
	case ErrFull:
		return e.Errno == syscall.ENFILE
	}
	return false
}

// explain says in an administrator's words what nf_tables means by an errno;
// the system's own text is often misleading ("too many open files in system").
func explain(errno syscall.Errno) string {
	switch errno {
	case syscall.ENOENT:
		return "no such table or set"
	case syscall.ENFILE:
		return "the set is full"
	case syscall.EPERM:
		return "not permitted: CAP_NET_ADMIN is missing, or the table is owned by another process"
	case syscall.EINVAL:
		return "invalid argument: the set's type or flags have changed"
	case syscall.EBUSY:
		return "the set is constant and in use"
	}
	return errno.Error()
}
