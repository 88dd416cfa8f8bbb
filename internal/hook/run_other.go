//go:build !linux

package hook

import (
	"context"
	"errors"
)

func run(context.Context, []string, []byte) ([]byte, error) { return nil, errors.ErrUnsupported }

func exit(context.Context, error) string { return "not_run" }
