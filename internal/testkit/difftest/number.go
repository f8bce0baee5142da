package difftest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ParseFloat parses a number as strconv does, but for those that a float64 has no value near: one that is too small, which
// strconv takes for 0, is an error as one that is too large is.
func ParseFloat(text string) (float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s is too large for a float64", text)
	case err != nil:
		return 0, fmt.Errorf("%q is not a number", text)
	case x == 0 && !isZero(text):
		return 0, fmt.Errorf("%s is not 0, but would be in float64, whose least is 5e-324", text)
	}
	return x, nil
}

// isZero says whether a number in decimal or hexadecimal is 0 as it is written.
func isZero(text string) bool {
	digits, exponent := "123456789", "e"
	text = strings.ToLower(text)
	if _, hex, ok := strings.Cut(text, "0x"); ok {
		text, digits, exponent = hex, digits+"abcdef", "p"
	}
	mantissa, _, _ := strings.Cut(text, exponent)
	return !strings.ContainsAny(mantissa, digits)
}
