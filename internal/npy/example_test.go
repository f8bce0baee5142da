package npy_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/smoothl1/smoothl1/internal/npy"
)

// This example processes a file of any size in pieces, and writes the result in pieces. The new file gets its name once it is
// complete.
func Example_pieces() {
	folder, err := os.MkdirTemp("", "npy")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	in, out := filepath.Join(folder, "in.npy"), filepath.Join(folder, "out.npy")
	ctx := context.Background()
	header := npy.Header{DType: npy.Float32, Shape: []int{2, 3}}
	if err := npy.WriteFile(ctx, in, header, []float32{1, 2, 3, 4, 5, 6}); err != nil {
		fmt.Println(err)
		return
	}

	double := func() error {
		a, err := npy.Open(in)
		if err != nil {
			return err
		}
		defer a.Close()
		w, err := npy.Create(ctx, out, a.Header())
		if err != nil {
			return err
		}
		defer w.Close() // removes what isn't committed
		buffer := make([]float32, 4)
		for first := 0; first < a.Len(); first += len(buffer) {
			piece := buffer[:min(len(buffer), a.Len()-first)]
			if err := npy.ReadAt(a, piece, first); err != nil {
				return err
			}
			for i := range piece {
				piece[i] *= 2
			}
			if err := npy.Append(w, piece); err != nil {
				return err
			}
		}
		return npy.Commit(w)
	}
	if err := double(); err != nil {
		fmt.Println(err)
		return
	}

	a, err := npy.Open(out)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Close()
	values, err := npy.Values[float32](a)
	fmt.Println(a.Header().DType, a.Header().Shape, values, err)
	// Output: float32 [2 3] [2 4 6 8 10 12] <nil>
}

func ExampleRead() {
	var file bytes.Buffer
	if err := npy.Write("file.npy", &file, npy.Header{DType: npy.Float64, Shape: []int{3}}, []float64{1, 2, 3}); err != nil {
		fmt.Println(err)
		return
	}
	content := file.Bytes()
	a, err := npy.Read("file.npy", bytes.NewReader(content))
	if err != nil {
		fmt.Println(err)
		return
	}
	values, err := npy.Values[float64](a)
	fmt.Println(values, err)

	_, err = npy.Read("file.npy", bytes.NewReader(content[:len(content)-1]))
	fmt.Println(err)
	// Output:
	// [1 2 3] <nil>
	// npy: file.npy: truncated: shape (3,) of float64 is 24 bytes of data, the file has 23
}

func ExampleOpenArchive() {
	archive, err := npy.OpenArchive("testdata/deflated.npz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer archive.Close()
	for _, name := range archive.Names() {
		a, err := archive.Read(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(name, a.Header().DType, a.Header().Shape)
	}
	// Output:
	// c000.pred float32 [40]
	// c000.target uint16 [2 3 4]
	// half float16 [5 3]
	// loss float64 []
	// none float64 [0 2]
	// big float32 [3 5]
}
