package control

import (
	"fmt"
	"time"
)

// Span is a duration as people say it, in its largest unit or two: 3d2h, 59m, 12s.
func Span(d time.Duration) string {
	units := []struct {
		unit time.Duration
		word string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	d = d.Round(time.Second)
	for i, u := range units {
		if d < u.unit {
			continue
		}
		text := fmt.Sprintf("%d%s", d/u.unit, u.word)
		if i+1 < len(units) && d/u.unit < 10 {
			if rest := d % u.unit / units[i+1].unit; rest > 0 {
				text += fmt.Sprintf("%d%s", rest, units[i+1].word)
			}
		}
		return text
	}
	return "0s"
}
