package web

import "context"

// fakeEditor is an editor of a file that is not there.
type fakeEditor struct{ saved []Draft }

func (*fakeEditor) Read() (Configuration, error) {
	return Configuration{Text: "node: porch\n", Revision: "1", Writable: true}, nil
}

func (*fakeEditor) Check(text string) (Check, error) {
	return Check{Diff: Diff("node: porch\n", text)}, nil
}

func (e *fakeEditor) Save(_ context.Context, d Draft) (Saved, error) {
	if d.Revision != "1" {
		return Saved{}, &Refusal{Code: 409, Why: "another revision"}
	}
	e.saved = append(e.saved, d)
	return Saved{Revision: "2"}, nil
}

func (*fakeEditor) Backup(name string) (string, error) {
	if name != "old" {
		return "", &Refusal{Code: 404, Why: "none"}
	}
	return "node: old\n", nil
}
