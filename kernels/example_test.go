package kernels_test

import (
	"fmt"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
)

// Who launches the kernels himself finds their names and parameters here.
func ExampleEntry() {
	e := kernels.Entry{Op: kernels.Forward, DType: smoothl1.Float32, Divide: true}
	fmt.Println(e.Name(), strings.Contains(kernels.PTX, ".entry "+e.Name()+"("))
	for _, p := range e.Params() {
		fmt.Print(p.Name, " ", p.Type, "; ")
	}
	// Output:
	// smoothl1_forward_f32_div true
	// pred u64; target u64; n u64; threshold f32; inverse f32; outer f32; sums u64; divisor f64; value u64; ticket u64;
}
