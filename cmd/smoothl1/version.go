package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// commit is set by the linker for builds without version control information.
var commit string

// version describes what this binary was built from.
func version() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown build)"
	}
	return versionOf(build, commit)
}

// revision returns the commit that this binary was built from, or "unknown".
func revision() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		if c := commitOf(build, commit); c != "" {
			return c
		}
	}
	return "unknown"
}

func commitOf(build *debug.BuildInfo, linked string) string {
	if linked != "" {
		return linked
	}
	settings := settingsOf(build)
	c := settings["vcs.revision"]
	c = c[:min(12, len(c))]
	if settings["vcs.modified"] == "true" {
		c += "-dirty"
	}
	return c
}

func settingsOf(build *debug.BuildInfo) map[string]string {
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	return settings
}

func versionOf(build *debug.BuildInfo, linked string) string {
	name := build.Main.Version
	if name == "" || name == "(devel)" {
		name = "(devel)"
		if c := commitOf(build, linked); c != "" {
			name = "commit " + c
		}
	}
	details := []string{runtime.GOOS + "/" + runtime.GOARCH, build.GoVersion}
	if tags := settingsOf(build)["-tags"]; tags != "" {
		details = append(details, "tags "+tags)
	}
	return fmt.Sprintf("%s (%s)", name, strings.Join(details, ", "))
}
