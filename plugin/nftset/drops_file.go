package nftset

import (
	"time"

	"github.com/namewall/namewall/internal/drops"
)

// dropsFile is the name of the drops' file in the state directory.
const dropsFile = "drops"

// save writes the drops to the state directory, if there is one and if they have
// changed.
func (d *dropped) save() {
	d.saving.Lock()
	defer d.saving.Unlock()
	changes := d.table.Changes()
	if changes == d.saved {
		return
	}
	content, err := drops.Encode(d.table.All())
	if err == nil {
		err = d.keep(dropsFile, content)
	}
	if err == nil {
		d.saved = changes
	}
	d.noteSave(err)
}

// noteSave logs an error, once, and when it is over.
func (d *dropped) noteSave(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case text == d.trouble:
	case err != nil:
		log.Errorf("the drops are not kept over a restart: %v", err)
	default:
		log.Info("the drops are kept over a restart again")
	}
	d.trouble = text
}

// restore takes over what an earlier process has left.
func (d *dropped) restore(content []byte) {
	if len(content) == 0 {
		return
	}
	all, err := drops.Decode(content)
	if err != nil {
		log.Warningf("the drops of before the start are lost: %v", err)
		return
	}
	now := time.Now()
	d.table.Restore(all, now)
	d.table.Expire(now)
}
