package told

// chain is a list of pairs, each of which is in one chain of each kind.
type chain struct {
	kind        int
	first, last *pair
}

// Kinds of chains.
const (
	ofAll = iota
	ofAddr
)

type link struct{ prev, next *pair }

// push puts a pair in front.
func (c *chain) push(p *pair) {
	p.links[c.kind] = link{next: c.first}
	if c.first != nil {
		c.first.links[c.kind].prev = p
	} else {
		c.last = p
	}
	c.first = p
}

func (c *chain) remove(p *pair) {
	at := &p.links[c.kind]
	if at.prev != nil {
		at.prev.links[c.kind].next = at.next
	} else {
		c.first = at.next
	}
	if at.next != nil {
		at.next.links[c.kind].prev = at.prev
	} else {
		c.last = at.prev
	}
	*at = link{}
}
