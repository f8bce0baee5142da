package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1/internal/files"
)

// pictureFormats are the kinds of file that plot writes.
var pictureFormats = []string{"svg", "png", "pdf"}

// picture is where a picture goes and its format, "" to derive it from the name.
type picture struct{ out, format string }

// addPicture adds the flags --out and --format.
func addPicture(c *cobra.Command, p *picture) {
	addName(c, &p.out, "out", "o", "`FILE` to write, .svg, .png or .pdf, or - for the standard output (required)")
	c.Flags().Var((*formatFlag)(&p.format), "format", "svg, png or pdf; by default the ending of the file's name, and svg for a pipe")
	if err := c.MarkFlagFilename("out", pictureFormats...); err != nil {
		panic(err)
	}
	complete(c, "format", pictureFormats...)
}

// find finds the place and the format.
func (p *picture) find() (place files.Place, format string, err error) {
	if p.out == "" {
		return place, "", usagef("name the file to write with -o")
	}
	if place, err = files.Output(p.out); err == nil {
		err = checkPlaces(nil, []named{{"-o", place}})
	}
	if err != nil {
		return place, "", err
	}
	format = p.format
	if ending := strings.ToLower(strings.TrimPrefix(filepath.Ext(p.out), ".")); format == "" && slices.Contains(pictureFormats, ending) {
		format = ending
	}
	switch {
	case format == "" && place.Streamed():
		format = "svg"
	case format == "":
		return place, "", usagef("-o %s: want a name that ends in .svg, .png or .pdf, or --format", p.out)
	}
	return place, format, nil
}

// formatFlag is the value of --format.
type formatFlag string

func (f *formatFlag) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *formatFlag) Type() string { return "FORMAT" }

// Set implements pflag.Value.
func (f *formatFlag) Set(text string) error {
	if !slices.Contains(pictureFormats, text) {
		return fmt.Errorf("want %s", strings.Join(pictureFormats, ", "))
	}
	*f = formatFlag(text)
	return nil
}
