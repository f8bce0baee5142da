package tune

import (
	"fmt"
	"strconv"
	"strings"
)

// Variable is the environment variable that fixes choices.
const Variable = "SMOOTHL1_TUNE"

// Fixed is what of all choices is fixed.
type Fixed struct {
	Off       bool // nothing is timed: what is not fixed is as the rule says
	Threads   int  // if not 0, at most GOMAXPROCS of them
	Stores    Stores
	Ahead     int
	AheadThat bool // Ahead is set
	Always    bool // passes over small arrays are tuned too, for tests
}

// Stores says with which stores outputs are written.
type Stores uint8

// The stores.
const (
	AnyStores Stores = iota
	Ordinary
	Streaming // where outputs are aligned and not in place of inputs
)

var stores = [...]string{"", "ordinary", "streaming"}

// maxAhead is the largest prefetch distance in bytes: a page of memory, doubled.
const maxAhead = 8192

// Parse reads a value of the environment variable: settings separated by commas, off, threads=N, stores=ordinary or streaming, ahead=BYTES.
func Parse(value string) (f Fixed, err error) {
	if value == "" {
		return f, nil
	}
	bad := func(setting, why string) (Fixed, error) { return Fixed{}, fmt.Errorf("%q: %s", setting, why) }
	for setting := range strings.SplitSeq(value, ",") {
		name, v, has := strings.Cut(setting, "=")
		n, err := strconv.Atoi(v)
		switch {
		case setting == "off":
			f.Off = true
		case name == "threads" && has:
			if err != nil || n < 1 {
				return bad(setting, "want a positive number of goroutines")
			}
			f.Threads = n
		case name == "ahead" && has:
			if err != nil || n < 0 || n > maxAhead || n%64 != 0 {
				return bad(setting, fmt.Sprintf("want a multiple of 64 up to %d, in bytes", maxAhead))
			}
			f.Ahead, f.AheadThat = n, true
		case setting == "stores=ordinary":
			f.Stores = Ordinary
		case setting == "stores=streaming":
			f.Stores = Streaming
		default:
			return bad(setting, "no such setting, want off, threads=N, stores=ordinary, stores=streaming, or ahead=BYTES, separated by commas")
		}
	}
	return f, nil
}

// String returns the value of the environment variable for f.
func (f Fixed) String() string {
	var all []string
	if f.Off {
		all = append(all, "off")
	}
	if f.Threads > 0 {
		all = append(all, fmt.Sprintf("threads=%d", f.Threads))
	}
	if f.Stores != AnyStores {
		all = append(all, "stores="+stores[f.Stores])
	}
	if f.AheadThat {
		all = append(all, fmt.Sprintf("ahead=%d", f.Ahead))
	}
	return strings.Join(all, ",")
}

// apply returns a choice with what is fixed.
func (f Fixed) apply(k Key, c Choice) Choice {
	if f.Threads > 0 {
		c.Threads = min(f.Threads, k.Procs)
	}
	switch f.Stores {
	case Ordinary:
		c.Streaming = false
	case Streaming:
		c.Streaming = k.Streamable
	}
	if f.AheadThat {
		c.Ahead = f.Ahead
	}
	return c
}
