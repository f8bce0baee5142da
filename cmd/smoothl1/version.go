package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// commit is set by the linker where the build has no version control to look at.
var commit string

// version says what this binary was built from.
func version() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown build)"
	}
	return versionOf(build, commit)
}

func versionOf(build *debug.BuildInfo, commit string) string {
	settings := map[string]string{}
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	name := build.Main.Version
	if name == "" || name == "(devel)" {
		name = "(devel)"
		if commit == "" {
			commit = settings["vcs.revision"]
			commit = commit[:min(12, len(commit))]
			if settings["vcs.modified"] == "true" {
				commit += "-dirty"
			}
		}
		if commit != "" {
			name = "commit " + commit
		}
	}
	details := []string{runtime.GOOS + "/" + runtime.GOARCH, build.GoVersion}
	if tags := settings["-tags"]; tags != "" {
		details = append(details, "tags "+tags)
	}
	return fmt.Sprintf("%s (%s)", name, strings.Join(details, ", "))
}
