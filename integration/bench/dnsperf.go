//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/namewall/namewall/integration/lab"
)

// asking is one run of dnsperf(1) against the gateway.
type asking struct {
	questions string        // a file of names
	atMost    time.Duration // how long it asks
	repeat    bool          // it begins anew at the file's end
	rate      int           // questions a second; 0: as many as are answered
	latencies bool          // each answer's time is wanted
}

const (
	// outstanding is how many questions wait for an answer at a time: what
	// dnsperf has by itself.
	outstanding = 100
	// askers are the addresses and ports that questions come from.
	askers = 8
	// lost is the time after which a question counts as not answered.
	lost = 2 * time.Second
	// answeredMin is the part of the questions that has to be answered for a
	// measurement to count.
	answeredMin = 0.99
)

// answered is what came of an asking.
type answered struct {
	answers   int
	rate      float64   // a second
	latencies []float64 // in seconds, sorted
}

var (
	lostLine   = regexp.MustCompile(`Queries lost: +(\d+)`)
	doneLine   = regexp.MustCompile(`Queries completed: +(\d+)`)
	noerrorTag = regexp.MustCompile(`Response codes: +NOERROR (\d+)`)
	rateLine   = regexp.MustCompile(`Queries per second: +([\d.]+)`)
)

// ask has dnsperf ask from the client namespace. It fails unless nearly all
// questions are answered, and every answer is NOERROR.
func ask(t lab.T, l *lab.Lab, a asking) answered {
	t.Helper()
	command := []string{
		"dnsperf", "-W", "-s", lab.Gateway4, "-d", a.questions, "-l", seconds(a.atMost), "-t", seconds(lost),
		"-c", strconv.Itoa(askers), "-q", strconv.Itoa(outstanding),
	}
	if !a.repeat {
		command = append(command, "-n", "1")
	}
	if a.rate > 0 {
		command = append(command, "-Q", strconv.Itoa(a.rate))
	}
	if a.latencies {
		command = append(command, "-v")
	}
	out, err := l.Client.Run(nil, command...)
	if err != nil {
		t.Fatalf("%v", err)
	}
	// Questions that are under way when the time is over are neither.
	missing := number(lostLine, out)
	r := answered{answers: number(doneLine, out)}
	if m := rateLine.FindStringSubmatch(out); m != nil {
		r.rate, _ = strconv.ParseFloat(m[1], 64) // digits by the expression
	}
	if good := number(noerrorTag, out); r.answers == 0 || good < r.answers || float64(missing) > (1-answeredMin)*float64(missing+r.answers) {
		t.Fatalf("%d questions were answered, %d of them without an error, and %d were not\n%s", r.answers, good, missing, out)
	}
	if a.latencies {
		if r.latencies, err = latencies(out); err != nil {
			t.Fatalf("%v", err)
		}
		if len(r.latencies) != r.answers {
			t.Fatalf("%d latencies of %d answers", len(r.latencies), r.answers)
		}
	}
	return r
}

// latencies reads the lines that dnsperf -v prints: "> NOERROR NAME TYPE SECONDS".
func latencies(out string) ([]float64, error) {
	var all []float64
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), "> NOERROR ") {
			continue
		}
		fields := strings.Fields(lines.Text())
		v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return nil, fmt.Errorf("dnsperf: %q: %w", lines.Text(), err)
		}
		all = append(all, v)
	}
	slices.Sort(all)
	return all, nil
}

func number(line *regexp.Regexp, out string) int {
	m := line.FindStringSubmatch(out)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits by the expression
	return n
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// self is the harness's own binary.
var self = func() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}()
