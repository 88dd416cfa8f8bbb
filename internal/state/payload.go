package state

import (
	"math"
	"net/netip"

	"github.com/fxamacker/cbor/v2"
)

// payload is a snapshot as it is in a file: CBOR (RFC 8949), with a column for
// each field instead of an array for each binding. That is smaller and several
// times faster, and a damaged file can't ask for more memory than a few times
// its own size.
//
// The order and number of the fields are the format: changing them means
// another version.
type payload struct {
	_ struct{} `cbor:",toarray"`

	Sets    []setRow
	Rules   []ruleRow
	Ranges  []rangesRow
	Words   []cbor.ByteString // rules, names and chains, each once; bytes, as names are
	Clients []netip.Addr      // each once; 4 or 16 bytes and the zone, none if invalid

	// Bindings.
	Set     []uint32 // index into Sets
	Keys    []byte   // one after the other, as long as the set's layout has it
	Left    []uint64 // ms
	Reasons []byte   // how many
	Revoked []byte

	// Reasons, of all bindings one after the other.
	Rule, Name, Chain []uint32 // index into Words
	Client            []uint32 // index into Clients
	Origin            []byte
	First, Last       []uint64 // ms
	Until             []uint64 // ms, Reason.Left
}

// setRow is a set in the words of nft(8).
type setRow struct {
	_ struct{} `cbor:",toarray"`

	Family, Table, Name, Layout string
}

// rangesRow is an interval set, and a rule that has ranges in it.
type rangesRow struct {
	_ struct{} `cbor:",toarray"`

	Set  setRow
	Rule cbor.ByteString
}

// ruleRow is a rule, with a choice in the Corefile's words.
type ruleRow struct {
	_ struct{} `cbor:",toarray"`

	Name, Revoke cbor.ByteString
}

// The modes are immutable. Encoding is deterministic (RFC 8949 §4.2.1), so that
// one snapshot is one file. Decoding takes what encoding gives: arrays of a
// known length and with just these fields, without tags, null and its like (which
// would decode as numbers).
var (
	encoding = must(encOptions().UserBufferEncMode())
	decoding = must(cbor.DecOptions{
		MaxArrayElements: MaxBindings * MaxReasons,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		SimpleValues:     noSimpleValues(),
	}.DecMode())
)

func encOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.NilContainers = cbor.NilContainerAsEmpty // an empty column is no null
	return o
}

// noSimpleValues rejects all simple values (RFC 8949 §3.3). Those from 24 to 31
// can't be.
func noSimpleValues() *cbor.SimpleValueRegistry {
	var reject []func(*cbor.SimpleValueRegistry) error
	for v := range math.MaxUint8 + 1 {
		if v < 24 || v > 31 {
			reject = append(reject, cbor.WithRejectedSimpleValue(cbor.SimpleValue(v)))
		}
	}
	return must(cbor.NewSimpleValueRegistryFromDefaults(reject...))
}

// must is for options that are constants.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
