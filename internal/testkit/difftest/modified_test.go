package difftest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/kernels"
)

type loads struct {
	driver.Device
	text *string
}

func (l loads) Load(ptx string) (driver.Module, error) {
	*l.text = ptx
	return 1, nil
}

// Modified replaces a text whatever target the device is given it for.
func TestModifiedReplacesEveryTarget(t *testing.T) {
	text, err := kernels.PTX(smoothl1.Float32)
	require.NoError(t, err)
	var got string
	m := Modified{Device: loads{text: &got}, PTX: map[string]string{text: "another"}}
	for _, target := range kernels.Targets() {
		_, err = m.Load(target.Text(text))
		require.NoError(t, err)
		assert.Equal(t, "another", got, target)
	}
	_, err = m.Load("\n.target sm_75\n")
	require.NoError(t, err)
	assert.Equal(t, "\n.target sm_75\n", got)
}
