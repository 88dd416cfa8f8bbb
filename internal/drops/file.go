package drops

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
)

// decodedMax bounds what a file may ask for: more than all drops with the longest
// names take.
const decodedMax = 64 << 20

// version is the format that is written, and the only one that is read.
const version = 1

type file struct {
	Version int    `json:"version"`
	Drops   []Drop `json:"drops"`
}

// Encode writes drops for Decode.
func Encode(all []Drop) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(file{version, all}); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Decode reads what Encode has written, as a whole or not at all.
func Decode(content []byte) ([]Drop, error) {
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, decodedMax)) // and the checksum is at the end
	if err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	if f.Version != version {
		return nil, fmt.Errorf("of format %d, this namewall reads format %d", f.Version, version)
	}
	for i := range f.Drops {
		if d := &f.Drops[i]; !d.Client.IsValid() || len(d.Addresses) == 0 || len(d.Addresses) > maxAddresses || !d.From.IsValid() {
			return nil, fmt.Errorf("damaged: drop %d", i)
		}
	}
	return f.Drops, nil
}
