package config

import (
	"fmt"
	"strings"
)

// Reference returns all keys with their meaning and default, as Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration reference

<!-- Made by "sensed config reference"; a test keeps it current. -->

One YAML file; every key but the name and source of a source may be left out. Relative paths start at the folder of the file. Times have units: 500ms, 30s, 5m.
[sample.yaml](../../daemon/config/sample.yaml) is an example of everything. The commands
[are in the README](../../README.md#the-commands): sensed init writes a first file, sensed config check names each mistake with line and column, and
sensed config schema > sensed.schema.json lets editors know the keys ([schema/config.json](schema/config.json)), if the first line of the configuration is

    # yaml-language-server: $schema=sensed.schema.json

Files of earlier versions are read as they are: what has another name by now is understood, and the log and sensed config check say so. sensed config migrate writes such a file
anew, keeps its comments, and leaves the old one beside it (sensed.yaml.v1).
`)
	section := ""
	for _, k := range Keys() {
		top, _, _ := strings.Cut(strings.ReplaceAll(k.Path, "[]", ""), ".")
		if top != section {
			section = top
			parts := k.Type != TypeText && k.Type != TypeWhole
			if fmt.Fprintf(&b, "\n## %s\n", top); parts {
				fmt.Fprintf(&b, "%s\n\n", k.About)
			}
			b.WriteString("| key | type | default | |\n|---|---|---|---|\n")
			if k.Type == TypeMapping || k.Type == TypeList {
				continue
			}
		}
		if strings.HasSuffix(k.Path, "[]") {
			continue // the list says it
		}
		about := k.About
		if len(k.Words) > 0 {
			about = "`" + strings.Join(k.Words, "` `") + "`. " + about
		}
		if k.Required {
			about += " Required."
		}
		if k.Default != "" {
			k.Default = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Path, k.Type, k.Default, strings.ReplaceAll(about, "|", `\|`))
	}
	return b.String()
}
