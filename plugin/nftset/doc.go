// Package nftset is a CoreDNS plugin that puts the addresses of answers into
// nftables sets before the client gets them.
//
// It reads the Corefile, catches the answers to questions that a rule is about,
// has the gate admit their addresses, and shapes the answer by what was
// promised. What is promised, and how, is internal/gate's; what an answer says
// and how it is trimmed, internal/answer's.
//
// The plugin must stand above every other one that makes or changes answers
// (placement.go), for it can only promise what it sees last.
package nftset
