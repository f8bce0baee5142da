// Command dockerlint checks Dockerfiles with BuildKit's linter, without building anything and without a network: it prints
// every warning, and exits with 1 if there is one.
//
// usage: dockerlint FILE...
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

func run(files []string, out io.Writer) int {
	if len(files) == 0 {
		fmt.Fprintln(out, "usage: dockerlint FILE...")
		return 2
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			fmt.Fprintln(out, "dockerlint:", err)
			return 1
		}
		complaints, err := lint(context.Background(), file, text)
		if err != nil {
			fmt.Fprintf(out, "dockerlint: %s: %v\n", file, err)
			return 1
		}
		for _, c := range complaints {
			fmt.Fprintln(out, c)
		}
		found += len(complaints)
	}
	if found > 0 {
		return 1
	}
	return 0
}

// lint returns BuildKit's warnings, one a line.
func lint(ctx context.Context, name string, text []byte) (complaints []string, err error) {
	platform := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	source := llb.NewSourceMap(nil, name, "Dockerfile", text)
	source.Definition = &llb.Definition{} // BuildKit needs one, but it has no source to read
	results, err := dockerfile2llb.DockerfileLint(ctx, text, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{BuildPlatforms: []ocispecs.Platform{platform}, TargetPlatforms: []ocispecs.Platform{platform}},
		TargetPlatform: &platform,
		MetaResolver:   anyImage{platform},
		SourceMap:      source,
	})
	if err != nil {
		return nil, err
	}
	line := func(l *pb.Location) string {
		if l == nil || len(l.Ranges) == 0 {
			return name
		}
		return fmt.Sprintf("%s:%d", name, l.Ranges[0].Start.Line)
	}
	for _, w := range results.Warnings {
		complaints = append(complaints, fmt.Sprintf("%s: %s: %s", line(w.Location), w.RuleName, w.Detail))
	}
	if results.Error != nil {
		complaints = append(complaints, fmt.Sprintf("%s: %s", line(&results.Error.Location), results.Error.Message))
	}
	return complaints, nil
}

// anyImage reports that every image exists, for one platform, so that the linter needs no registry.
type anyImage struct{ platform ocispecs.Platform }

// ResolveImageConfig implements llb.ImageMetaResolver.
func (a anyImage) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config, err := json.Marshal(ocispecs.Image{Platform: a.platform})
	return ref, "", config, err
}
