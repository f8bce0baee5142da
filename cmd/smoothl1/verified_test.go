package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestVerifyFor checks that verify ends when its time is up, reports the number of cases, and succeeds.
func TestVerifyFor(t *testing.T) {
	stdout, stderr, code := call("verify", "--device", "cpu", "--cases", "1000000", "--for", "300ms", "--json")
	require.Zero(t, code, stderr)
	var v verified
	require.NoError(t, json.Unmarshal([]byte(stdout), &v))
	assert.Positive(t, v.Cases)
	assert.Less(t, v.Cases, v.Asked)
	assert.Equal(t, 1_000_000, v.Asked)
	assert.Zero(t, v.Mismatches)
	require.NotEmpty(t, v.Columns)
	assert.Equal(t, v.Cases, v.Columns[0].Cases)

	stdout, _, code = call("verify", "--device", "cpu", "--cases", "1000000", "--for", "300ms")
	require.Zero(t, code)
	assert.Regexp(t, `(?m)^\d+ of 1000000 cases were done$`, stdout)

	stdout, stderr, code = call("verify", "--device", "cpu", "--for", "1ns", "--cases", "3")
	assert.Equal(t, exitFailed, code, stdout)
	assert.Contains(t, stderr, "--for 1ns: the time was up before the first case was done")
	stdout, stderr, code = call("verify", "--for", "-1s")
	requireRefused(t, 2, "--for -1s: must not be negative", stdout, stderr, code)
}
