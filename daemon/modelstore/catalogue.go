package modelstore

import (
	"fmt"
	"regexp"
	"strings"
)

// Known is a model that has a short name. What files its repository has, their
// sizes and hashes are asked for when it is pulled: publishers replace them.
type Known struct {
	Name       string
	Repository string // OWNER/NAME at Hugging Face
	Quant      string // of the text file
	About      string
	Download   int64 // bytes, about
	Board      int64 // bytes of memory that the board should have
}

// Catalogue returns the models that have short names. The repositories and sizes
// are those that were public in November 2026.
func Catalogue() []Known {
	const gb = 1 << 30
	return []Known{
		{"e2b", "ggml-org/gemma-4-E2B-it-GGUF", "Q4_0", "Gemma 4 E2B, for a Raspberry Pi 4 or 5", 3_400_000_000, 4 * gb},
		{"e4b", "ggml-org/gemma-4-E4B-it-GGUF", "Q4_0", "Gemma 4 E4B, with about twice the weights", 5_200_000_000, 8 * gb},
		{"e2b-qat", "google/gemma-4-E2B-it-qat-q4_0-gguf", "Q4_0", "Gemma 4 E2B, trained for 4 bits by Google", 4_400_000_000, 4 * gb},
		{"e4b-qat", "google/gemma-4-E4B-it-qat-q4_0-gguf", "Q4_0", "Gemma 4 E4B, trained for 4 bits by Google", 6_200_000_000, 8 * gb},
	}
}

// Reference says where a model comes from: a repository at Hugging Face, or the
// address of its text file.
type Reference struct {
	Name       string // proposed for the store
	Repository string // "": URL
	Revision   string
	Quant      string // "": the usual ones
	URL        string
}

var (
	repositoryForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	revisionForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$`)
	quantForm      = regexp.MustCompile(`^[A-Za-z0-9_]{1,20}$`)
	notInName      = regexp.MustCompile(`[^A-Za-z0-9._-]+`)
)

// ParseReference reads what follows sensed model pull: a short name, a
// repository OWNER/NAME, each with @REVISION and :QUANT behind it if wanted, or
// an address.
func ParseReference(s string) (Reference, error) {
	if strings.Contains(s, "://") {
		u, err := parseURL(s)
		if err != nil {
			return Reference{}, err
		}
		return Reference{Name: properName(baseName(u.Path)), URL: u.String()}, nil
	}
	r := Reference{Revision: "main"}
	name, quant, hasQuant := strings.Cut(s, ":")
	name, revision, hasRevision := strings.Cut(name, "@")
	if r.Repository = name; hasRevision {
		r.Revision = revision
	}
	var short []string
	for _, k := range Catalogue() {
		if short = append(short, k.Name); strings.EqualFold(k.Name, name) {
			r.Name, r.Repository, r.Quant = k.Name, k.Repository, k.Quant
		}
	}
	if hasQuant {
		r.Quant = quant
	}
	switch {
	case !strings.Contains(r.Repository, "/"):
		return r, fmt.Errorf("no model is known as %q: write %s, a repository OWNER/NAME of Hugging Face, or an address", s, strings.Join(short, ", "))
	case !repositoryForm.MatchString(r.Repository):
		return r, fmt.Errorf("%q is no repository of Hugging Face: write OWNER/NAME", r.Repository)
	case !revisionForm.MatchString(r.Revision) || strings.Contains(r.Revision, ".."):
		return r, fmt.Errorf("%q is no revision: write a branch, a tag or a commit behind the @", r.Revision)
	case hasQuant && !quantForm.MatchString(quant):
		return r, fmt.Errorf("%q is no quantisation: write for example :Q4_0", quant)
	}
	if r.Name == "" {
		r.Name = properName(strings.TrimSuffix(strings.ToLower(baseName(r.Repository)), "-gguf"))
	}
	if hasQuant {
		r.Name = properName(r.Name + "-" + strings.ToLower(quant))
	}
	return r, nil
}

// properName makes a name for the store out of another.
func properName(s string) string {
	s = strings.Trim(notInName.ReplaceAllString(s, "-"), "-._")
	s = s[:min(len(s), 64)]
	if CheckName(s) != nil {
		return "model"
	}
	return s
}
