// Package tiny carries the demonstration model inside the program: Gemma 4's
// architecture at 5.9 million parameters, trained on drawn scenes and
// synthetic speech, so that the demo and the tests need no download. It says
// nothing about real cameras or people; Gemma 4 E2B is the real model.
package tiny

import (
	"embed"
	"io/fs"
)

// The names of the files in [Files].
const (
	Name      = "tiny-gemma4"                  // what the model is called
	Text      = "tiny-gemma4-q8_0.gguf"        // text decoder and tokenizer, Q8_0
	Projector = "mmproj-tiny-gemma4-q8_0.gguf" // vision and audio towers, Q8_0
	Profile   = "profile.json"                 // its prompts, see package understand
	Samples   = "samples"                      // folder: scene*.png, speech*.wav
	Expected  = "samples/expected.json"        // what the model answers for each sample
)

//go:embed *.gguf profile.json samples
var files embed.FS

// Files returns the files named above, read-only. A file opened from it is
// also an [io.ReaderAt].
func Files() fs.FS { return files }
