package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"

	"sensed/daemon/app"
)

func versionCommand() command {
	return command{
		name:    "version",
		summary: "print the build: version, commit, compiler and kernels",
		about:   "Prints what this program was built from and which kernels it uses on this\nprocessor; say this when you report a fault.",
		prepare: func(f *flag.FlagSet) func(context.Context, streams, []string) error {
			return func(_ context.Context, s streams, args []string) error {
				if err := noArgs(args); err != nil {
					return err
				}
				_, err := fmt.Fprintf(s.out, "sensed %s\ncommit  %s\ngo      %s %s/%s\nkernels %s\n",
					buildVersion(), buildCommit(), runtime.Version(), runtime.GOOS, runtime.GOARCH, app.Kernels())
				return err
			}
		},
	}
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// buildCommit is the commit that the toolchain wrote into the program.
func buildCommit() string {
	commit, dirty := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = " with changes"
			}
		}
	}
	return commit + dirty
}
