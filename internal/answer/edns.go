package answer

import (
	"strings"
	"unicode/utf8"

	"github.com/miekg/dns"
)

// Client is what the sender of a question said about itself. Take it before
// the question goes on to other plugins: rewrite adds an OPT to it in place.
type Client struct {
	OPT bool // it sent an OPT record, so it may be sent one
	DO  bool // and asked for signatures in it
	AD  bool // it wants to know whether the answer is validated (RFC 6840 §5.7)
}

// ClientOf reads the client's question.
func ClientOf(req *dns.Msg) Client {
	opt := req.IsEdns0()
	do := opt != nil && opt.Do()
	return Client{OPT: opt != nil, DO: do, AD: do || req.AuthenticatedData}
}

// maxText bounds an EXTRA-TEXT, in bytes. An answer without addresses to the
// longest question must fit in the 512 bytes that every client takes: 12 for the
// header, 259 for the question, 17 for an OPT with an Extended DNS Error.
const maxText = 200

// Filtered is the reason for an answer in which the policy or the rule's sets
// have no room for an address: Extended DNS Error 17 (RFC 8914).
func Filtered(text string) *dns.EDNS0_EDE { return ede(dns.ExtendedErrorCodeFiltered, text) }

// NotReady is the reason for an answer that needs a set which isn't there or
// is of the wrong layout: Extended DNS Error 14.
func NotReady(text string) *dns.EDNS0_EDE { return ede(dns.ExtendedErrorCodeNotReady, text) }

// Failed is the reason for an answer whose addresses the kernel didn't take in
// time or at all: Extended DNS Error 0, which says nothing but its text.
func Failed(text string) *dns.EDNS0_EDE { return ede(dns.ExtendedErrorCodeOther, text) }

// ede makes an Extended DNS Error. The text is cut to maxText, and to the
// UTF-8 that RFC 8914 §2 asks for.
func ede(code uint16, text string) *dns.EDNS0_EDE {
	text = strings.ToValidUTF8(text, "�")
	if len(text) > maxText {
		n := maxText
		for !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	return &dns.EDNS0_EDE{InfoCode: code, ExtraText: text}
}

// optFor is the OPT for an answer made from m. It is a copy with all options of
// m's, because packing and CoreDNS's ScrubWriter write into it, and m's may be
// the question's own. The ScrubWriter sets its size, but it doesn't take back
// a DO bit that the client didn't set (RFC 3225 §3). There is none for a
// client that sent none (RFC 6891 §7), nor if there is nothing to say.
func optFor(m *dns.Msg, client Client, e *dns.EDNS0_EDE) *dns.OPT {
	old := m.IsEdns0()
	if !client.OPT || old == nil && e == nil {
		return nil
	}
	opt := new(dns.OPT)
	if old != nil {
		opt = dns.Copy(old).(*dns.OPT)
	}
	opt.Hdr = dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT, Class: opt.Hdr.Class}
	opt.SetDo(client.DO)
	if e != nil {
		opt.Option = append(opt.Option, e)
	}
	return opt
}
