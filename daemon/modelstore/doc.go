// Package modelstore keeps models on disk and fetches them from Hugging Face, a
// mirror of it, or any other web server.
//
// # The folder
//
// Each model has a folder of its own, with its GGUF files under the names that
// their publisher gave them and model.json, which says where each came from, its
// size and its SHA-256. model.json appears last and as a whole: a folder without
// it is no model yet. Beside the models, "current" is a symbolic link to the one
// that was chosen with [Store.Use].
//
//	models/
//	  current -> e2b
//	  e2b/
//	    model.json
//	    gemma-4-E2B-it-Q4_0.gguf
//	    mmproj-gemma-4-E2B-it-Q8_0.gguf
//	  e4b/
//	    model.json.part                    what will be in model.json
//	    gemma-4-E4B-it-Q4_0.gguf.part      what came so far
//
// A file is fetched under another name (.part), from where it was cut if it was,
// and gets its own when its size and hash are right. Nothing of a complete model
// is ever written again: a newer version is fetched beside it and chosen by
// moving the link.
//
// The API of Hugging Face is described at https://huggingface.co/docs/hub/api,
// ranges in RFC 9110, section 14.
package modelstore
