package kernels_test

import (
	"fmt"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
)

// A program that launches the kernels itself loads the text of its element type and finds a kernel by its name.
func ExamplePTX() {
	text, err := kernels.PTX(smoothl1.Float32)
	if err != nil {
		fmt.Println(err)
		return
	}
	v := kernels.Variant{DType: smoothl1.Float32, Pass: kernels.Forward, Divide: true}
	fmt.Println(v.Name(), strings.Contains(text, ".entry "+v.Name()+"("))
	// Output:
	// smoothl1_forward_f32_div true
}
