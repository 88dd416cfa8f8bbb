package state

import "testing"

func TestSystemClock(t *testing.T) {
	c := System()
	first, second := c.Now(), c.Now()
	if first.Boot == (BootID{}) || first.Up <= 0 {
		t.Fatalf("no boot known: %+v", first)
	}
	if passed, by, err := second.since(first); passed < 0 || by != ByBoot || err != nil {
		t.Errorf("%v %v, %v", passed, by, err)
	}
	if again := System().Now(); again.Boot != first.Boot {
		t.Errorf("boot %x, then %x", first.Boot, again.Boot)
	}
}

func TestParseBootID(t *testing.T) {
	if id := parseBootID("00112233-4455-6677-8899-aabbccddeeff\n"); id != (BootID{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}) {
		t.Errorf("%x", id)
	}
	for _, text := range []string{"", "00112233", "00112233-4455-6677-8899-aabbccddeeff00", "xx112233-4455-6677-8899-aabbccddeeff"} {
		if id := parseBootID(text); id != (BootID{}) {
			t.Errorf("%q: %x", text, id)
		}
	}
}
