package state

import "testing"

func BenchmarkSave(b *testing.B) {
	d, _ := testDir(b)
	s := large(100_000)
	b.ReportAllocs()
	for b.Loop() {
		mustSave(b, d, s)
	}
}

func BenchmarkLoad(b *testing.B) {
	d, _ := testDir(b)
	s := large(100_000)
	mustSave(b, d, s)
	mustSave(b, d, s)
	b.ReportAllocs()
	for b.Loop() {
		mustLoad(b, d)
	}
}
