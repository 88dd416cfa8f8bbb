//go:build !linux

package file

import "os"

func versionOf(info os.FileInfo) Version {
	return Version{size: info.Size(), modified: info.ModTime().UnixNano()}
}
