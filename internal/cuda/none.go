package cuda

import (
	"errors"
	"github.com/smoothl1/smoothl1/internal/driver"
)

func Open(int) (driver.Device, error) { return nil, errors.New("built without -tags cuda") }
