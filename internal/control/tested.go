package control

// Test is what GET /v1/test tells: what would become of an answer, server block by
// server block. Its parameters are name, type and client.
type Test struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Client string   `json:"client"` // who is taken to ask
	Blocks []Tested `json:"blocks"` // several if listeners or views differ; none: nobody serves the name
}

// Whole tells that rules match the name, and that a client gets every address of
// the answer and there is one.
func (t *Test) Whole() bool {
	for i := range t.Blocks {
		if b := &t.Blocks[i]; b.Outcome != OutcomeWhole || len(b.Addresses) == 0 {
			return false
		}
	}
	return len(t.Blocks) > 0
}

// Tested is what one server block makes of the question.
type Tested struct {
	Server  string       `json:"server"` // as it is headed
	View    string       `json:"view,omitempty"`
	Outcome string       `json:"outcome"`         // one of the Outcome constants
	Error   string       `json:"error,omitempty"` // why there is no answer
	Feed    bool         `json:"feed,omitempty"`  // the client gets the answer as it is: no rule enforces
	Rules   []TestedRule `json:"rules"`           // those that match or except the name

	// The answer of the plugins below, if rules match.
	Rcode     string          `json:"rcode,omitempty"`
	Chain     []string        `json:"chain,omitempty"` // of more than the name
	Addresses []TestedAddress `json:"addresses,omitempty"`

	// What the client would get of it.
	Gets *Gets `json:"gets,omitempty"`
}

// Outcomes of a test: those of the metric answers_total, and what keeps a
// question from the rules.
const (
	OutcomeWhole     = "whole"
	OutcomeTrimmed   = "trimmed"
	OutcomeNodata    = "nodata"
	OutcomeServfail  = "servfail"
	OutcomeNoRules   = "no_rules"  // the block has none
	OutcomeNoMatch   = "no_match"  // none of them matches
	OutcomeNoAnswer  = "no_answer" // the plugins below gave none
	OutcomeUntouched = "untouched" // a rule might have matched a name of the chain, and none did
)

// TestedRule is what a rule has to do with the name.
type TestedRule struct {
	Rule     string   `json:"rule"`
	Feed     bool     `json:"feed,omitempty"`
	Excepts  bool     `json:"excepts,omitempty"`
	Others   bool     `json:"others,omitempty"` // it matches for other clients
	As       string   `json:"as,omitempty"`     // the name that leads to it, or of its chain
	Services []string `json:"services,omitempty"`
}

// TestedAddress is one address of the answer.
type TestedAddress struct {
	Address string `json:"address"`
	TTL     int    `json:"ttl"`  // seconds
	Fate    string `json:"fate"` // promised, passed, or as the metric refused_addresses_total has it
	Steps   []Step `json:"steps"`
}

// Step is what one rule makes of an address or, if it takes it, of one of its
// elements.
type Step struct {
	Rule    string `json:"rule"`
	Fate    string `json:"fate"`
	Text    string `json:"text,omitempty"`   // why it is refused
	NoSay   bool   `json:"no_say,omitempty"` // the rule feeds only, and others enforce
	Set     string `json:"set,omitempty"`
	Client  string `json:"client,omitempty"` // of a pair
	Service string `json:"service,omitempty"`

	Written   int  `json:"written_seconds,omitempty"` // for how long it would be written; 0: what is there is enough
	Held      int  `json:"held_seconds,omitempty"`    // for how long the kernel holds it now; 0: it doesn't
	Permanent bool `json:"permanent,omitempty"`
}

// Gets is what the client would get.
type Gets struct {
	Rcode   string   `json:"rcode"`
	Records []string `json:"records"` // of ANSWER, as in a zone file
	EDE     *EDE     `json:"ede,omitempty"`
}

// EDE is an Extended DNS Error (RFC 8914).
type EDE struct {
	Code int    `json:"code"`
	Name string `json:"name"`
	Text string `json:"text,omitempty"`
}
