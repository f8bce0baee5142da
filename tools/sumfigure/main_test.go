package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFigure(t *testing.T) {
	got := figure()
	d := xml.NewDecoder(strings.NewReader(got))
	var err error
	for err == nil {
		_, err = d.Token()
	}
	require.True(t, errors.Is(err, io.EOF), "%v", err)
	assert.Contains(t, got, "lane j: +0 + x[j] + x[j+128] + … + x[j+1920]")
	assert.Contains(t, got, "up to 4,194,304: two; up to 8,589,934,592: three")

	committed, err := os.ReadFile("../../docs/canonical-sum.svg")
	require.NoError(t, err)
	assert.Equal(t, string(committed), got, "go run ./tools/sumfigure >docs/canonical-sum.svg")
}
