package modelstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxListing bounds the list of a repository's files.
const maxListing = 16 << 20

// listing is what the API says about a repository at a revision.
type listing struct {
	SHA      string `json:"sha"` // the commit
	Siblings []struct {
		Name string `json:"rfilename"`
		Size int64  `json:"size"`
		LFS  *struct {
			SHA256 string `json:"sha256"`
			Size   int64  `json:"size"`
		} `json:"lfs"`
	} `json:"siblings"`
}

// resolve finds the files of a reference. Those of a repository have sizes and
// hashes and the address of one commit, so that files of two versions never mix.
func (c *Client) resolve(ctx context.Context, o Pull) (*Model, error) {
	m := &Model{Version: 1, Name: cmp.Or(o.Name, o.Reference.Name), Source: cmp.Or(o.Reference.Repository, o.Reference.URL)}
	if err := CheckName(m.Name); err != nil {
		return nil, fmt.Errorf("%w (--as)", err)
	}
	var found []File
	if o.Reference.URL != "" {
		found = []File{{Role: Text, URL: o.Reference.URL, SHA256: o.SHA256}}
	} else {
		l, err := c.list(ctx, o.Reference)
		if err != nil {
			return nil, err
		}
		m.Revision = l.SHA
		if found, err = c.choose(l, o.Reference); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Reference.Repository, err)
		}
	}
	for _, x := range []struct {
		role Role
		want string
	}{{Projector, o.Projector}, {Drafter, o.Drafter}} {
		if x.want == "" {
			continue
		}
		found = slices.DeleteFunc(found, func(f File) bool { return f.Role == x.role })
		if x.want != None {
			found = append(found, File{Role: x.role, URL: x.want})
		}
	}
	for i := range found {
		u, err := parseURL(found[i].URL)
		if err != nil {
			return nil, err
		}
		found[i].URL = u.String()
		if found[i].Name = path.Base(u.Path); !goodFileName(found[i].Name) {
			return nil, fmt.Errorf("%s does not end in the name of a GGUF file", u.Redacted())
		}
	}
	m.Files = found
	if _, sees := m.File(Projector); !sees && o.Projector != None {
		return nil, fmt.Errorf("%s has no projector (mmproj), without which a model neither sees nor hears: give its address with --projector, or --projector none", m.Source)
	}
	return m, m.check()
}

// list asks the API for the files of a repository.
func (c *Client) list(ctx context.Context, r Reference) (*listing, error) {
	address := c.endpoint.JoinPath("api", "models", r.Repository, "revision").String() + "/" + url.PathEscape(r.Revision) + "?blobs=true"
	var l listing
	err := c.persist(ctx, func(string) {}, func() (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, c.stall)
		defer cancel()
		res, err := c.get(ctx, address, nil)
		if err != nil {
			return false, err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return false, refusal(res)
		}
		data, err := io.ReadAll(io.LimitReader(res.Body, maxListing))
		if err != nil {
			return false, err
		}
		if err := json.Unmarshal(data, &l); err != nil {
			return false, final(fmt.Errorf("the answer is no list of files: %w", err))
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("the files of %s cannot be listed: %w", r.Repository, err)
	}
	if !commitForm.MatchString(l.SHA) {
		return nil, fmt.Errorf("the files of %s cannot be listed: the answer names no commit", r.Repository)
	}
	return &l, nil
}

var commitForm = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// choose takes the files of a model out of a repository: the text file of the
// wanted quantisation, the smallest projector of good quality, and the drafter.
func (c *Client) choose(l *listing, r Reference) ([]File, error) {
	byRole := map[Role][]File{}
	for _, s := range l.Siblings {
		if !strings.HasSuffix(strings.ToLower(s.Name), ".gguf") || strings.Contains(s.Name, "..") {
			continue
		}
		f := File{Role: roleOf(s.Name), Name: path.Base(s.Name), Size: s.Size, URL: c.endpoint.JoinPath(r.Repository, "resolve", l.SHA, s.Name).String()}
		if s.LFS != nil {
			f.SHA256, f.Size = strings.ToLower(s.LFS.SHA256), s.LFS.Size
		}
		byRole[f.Role] = append(byRole[f.Role], f)
	}
	quants := []string{r.Quant}
	if r.Quant == "" {
		quants = []string{"Q4_0", "Q4_K_M"}
	}
	text, ok := pick(byRole[Text], quants)
	switch {
	case len(byRole[Text]) == 0:
		return nil, errors.New("it has no GGUF file of a model")
	case !ok && (r.Quant != "" || len(byRole[Text]) > 1):
		var names []string
		for _, f := range byRole[Text] {
			names = append(names, f.Name)
		}
		return nil, fmt.Errorf("it has no file of %s: name one of %s with :QUANT", strings.Join(quants, " or "), strings.Join(names, ", "))
	case !ok:
		text = byRole[Text][0]
	case inParts.MatchString(text.Name):
		return nil, fmt.Errorf("%s is one of several parts, which sensed does not join: choose another quantisation or repository", text.Name)
	}
	files := []File{text}
	for _, x := range []struct {
		role   Role
		quants []string
	}{{Projector, []string{"Q8_0", "F16", "BF16", "F32"}}, {Drafter, []string{"Q8_0", "Q4_0", "F16", "BF16"}}} {
		f, ok := pick(byRole[x.role], x.quants)
		if !ok && len(byRole[x.role]) > 0 {
			f, ok = byRole[x.role][0], true
		}
		if ok {
			files = append(files, f)
		}
	}
	return files, nil
}

var inParts = regexp.MustCompile(`-\d{5}-of-\d{5}\.`)

// roleOf tells by the name what a file of a repository is.
func roleOf(name string) Role {
	name = strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	switch {
	case strings.Contains(name, "mmproj"):
		return Projector
	case strings.HasPrefix(name, "mtp-"), strings.Contains(name, "-mtp"), strings.Contains(name, "assistant"), strings.Contains(name, "draft"):
		return Drafter
	}
	return Text
}

// pick returns the file of the first quantisation that there is; of several the
// one with the shortest name, which is the plain one.
func pick(files []File, quants []string) (best File, ok bool) {
	for _, q := range quants {
		word := regexp.MustCompile(`(?i)(^|[^a-z0-9])` + regexp.QuoteMeta(q) + `($|[^a-z0-9_])`)
		for _, f := range files {
			if word.MatchString(f.Name) && (!ok || len(f.Name) < len(best.Name)) {
				best, ok = f, true
			}
		}
		if ok {
			return best, true
		}
	}
	return best, false
}

// parseURL reads the address of a file. That of a page about a file at Hugging
// Face becomes that of the file.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is not an address", s)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, fmt.Errorf("%q is not an address that sensed can fetch: write https://…", u.Redacted())
	case u.User != nil:
		return nil, fmt.Errorf("%s holds a password, which would be kept with the model: put a token into a file and name it with --token-file", u.Redacted())
	}
	if parts := strings.SplitN(strings.TrimPrefix(u.Path, "/"), "/", 4); len(parts) == 4 && parts[2] == "blob" {
		u.Path = "/" + path.Join(parts[0], parts[1], "resolve", parts[3])
	}
	u.Fragment = ""
	return u, nil
}

// pulledNow is the time that a manifest has; whole seconds are enough.
func pulledNow() time.Time { return time.Now().UTC().Truncate(time.Second) }
