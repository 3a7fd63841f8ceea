package app

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensed/daemon/config"
)

func keptIn(t *testing.T, folder, keep string) *archive {
	t.Helper()
	w := config.Default().Web
	w.Megabytes, w.Timeline.Keep, w.Timeline.Path = 1, keep, folder
	return openArchive(w, slog.New(slog.DiscardHandler))
}

func records(a *archive) (out []string) {
	for r := range a.Records() {
		out = append(out, string(r))
	}
	return out
}

func put(t *testing.T, a *archive, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := a.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTimelineIsKeptOnlyIfAsked(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "timeline")
	if keptIn(t, folder, config.KeepNothing) != nil {
		t.Error("it is kept without having been asked for")
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("a folder is made for nothing")
	}
	if a := keptIn(t, folder, config.KeepWords); a == nil {
		t.Error("it is not kept")
	} else {
		a.close()
	}
	var said bytes.Buffer
	w := config.Default().Web
	w.Timeline.Path = folder
	openArchive(w, slog.New(slog.NewTextHandler(&said, nil)))
	if !strings.Contains(said.String(), folder) {
		t.Errorf("nothing is said of what is still there: %s", said.String())
	}
}

// TestTimelineSurvivesAPowerCut cuts the file at every byte: what was whole before
// is there, and what comes then is kept behind it.
func TestTimelineSurvivesAPowerCut(t *testing.T) {
	folder := t.TempDir()
	a := keptIn(t, folder, config.KeepWords)
	put(t, a, "one", "two", "three")
	a.close()
	files, err := filepath.Glob(filepath.Join(folder, "*.seg"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if info, ierr := e.Info(); err == nil && ierr == nil && path != folder && info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s is open to everybody: %v", path, info.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	all := []string{"one", "two", "three"}
	most := -1
	for cut := range len(whole) + 1 {
		if err := os.WriteFile(files[0], whole[:cut], 0o640); err != nil {
			t.Fatal(err)
		}
		a := keptIn(t, folder, config.KeepWords)
		got := records(a)
		if len(got) < most || !slices.Equal(got, all[:len(got)]) {
			t.Fatalf("cut at %d of %d: %q", cut, len(whole), got)
		}
		most = max(most, len(got))
		if cut%16 == 0 {
			put(t, a, "new")
			if now := records(a); !slices.Equal(now, append(slices.Clone(got), "new")) {
				t.Fatalf("cut at %d, and with a new one: %q", cut, now)
			}
		}
		a.close()
		others, _ := filepath.Glob(filepath.Join(folder, "*.seg"))
		for _, f := range others {
			if err := os.Remove(f); err != nil { // the next round begins anew
				t.Fatal(err)
			}
		}
	}
	if most != 3 {
		t.Errorf("the whole file gives %d records", most)
	}
}

// TestTimelineWearsNoCard: the oldest go within the bound, an hour of events takes
// few synchronisations, an hour without none.
func TestTimelineWearsNoCard(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := keptIn(t, folder, config.KeepPictures)
		defer a.close()
		piece := strings.Repeat("x", 8<<10)
		for range 360 { // in an hour
			put(t, a, piece)
			time.Sleep(10 * time.Second)
		}
		time.Sleep(time.Minute)
		busy := a.box.State()
		if busy.Disk > 1<<20 || busy.Messages < 50 {
			t.Errorf("%d records take %d bytes, more than the bound or far less", busy.Messages, busy.Disk)
		}
		if busy.Syncs > 400 {
			t.Errorf("%d synchronisations for 360 records in an hour", busy.Syncs)
		}
		t.Logf("an hour of an event each 10 s: %d writes, %d synchronisations", busy.Writes, busy.Syncs)
		time.Sleep(time.Hour)
		if now := a.box.State(); now.Writes != busy.Writes || now.Syncs != busy.Syncs {
			t.Errorf("without anything to keep: %d writes and %d synchronisations more", now.Writes-busy.Writes, now.Syncs-busy.Syncs)
		}
	})
}
