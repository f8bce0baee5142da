package difftest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ParseFloat is strconv.ParseFloat, but a number other than 0 that would underflow to 0 is an error, like one that overflows.
func ParseFloat(text string) (float64, error) {
	x, err := strconv.ParseFloat(text, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s is too large for a float64", text)
	case err != nil:
		return 0, fmt.Errorf("%q is not a number", text)
	case x == 0 && !isZero(text):
		return 0, fmt.Errorf("%s is too small for a float64, whose smallest positive number is 5e-324", text)
	}
	return x, nil
}

// isZero reports whether all digits of a decimal or hexadecimal number are 0.
func isZero(text string) bool {
	digits, exponent := "123456789", "e"
	text = strings.ToLower(text)
	if _, hex, ok := strings.Cut(text, "0x"); ok {
		text, digits, exponent = hex, digits+"abcdef", "p"
	}
	mantissa, _, _ := strings.Cut(text, exponent)
	return !strings.ContainsAny(mantissa, digits)
}
