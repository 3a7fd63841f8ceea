package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sensed/daemon/health"
	"sensed/daemon/modelstore"
)

// file returns the first line of a file of the kernel, "" when there is none.
func (e *examination) file(path string) string {
	data, err := os.ReadFile(filepath.Join(e.Root, path))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(strings.TrimRight(line, "\x00"))
}

func (e *examination) board(context.Context) {
	name := e.file("proc/device-tree/model")
	if name == "" {
		name = strings.TrimSpace(e.file("sys/devices/virtual/dmi/id/sys_vendor") + " " + e.file("sys/devices/virtual/dmi/id/product_name"))
	}
	if name == "" {
		name = "a board without a name"
	}
	e.ok("board", "%s, %d cores, kernel %s", name, runtime.NumCPU(), e.file("proc/sys/kernel/osrelease"))
}

// features are those of processors that kernels are chosen by.
func features() []string {
	return []string{"asimd", "asimdhp", "asimddp", "i8mm", "sve", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni"}
}

func (e *examination) processor(context.Context) {
	data, _ := os.ReadFile(filepath.Join(e.Root, "proc/cpuinfo")) // without it: no features
	var have []string
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); name != "flags" && name != "Features" {
			continue
		}
		words := strings.Fields(value)
		for _, f := range features() {
			if slices.Contains(words, f) {
				have = append(have, f)
			}
		}
		break
	}
	what := fmt.Sprintf("kernels %s; the processor has %s", Kernels(), strings.Join(have, " "))
	switch {
	case strings.Contains(Kernels(), "reference"):
		e.warn("processor", what, "this program was built without cgo and is many times slower: take the package, or build with gcc")
	case os.Getenv("SENSED_KERNELS") != "":
		e.warn("processor", what, "SENSED_KERNELS is set, which is meant for tests: unset it")
	default:
		e.ok("processor", "%s", what)
	}
}

// hotBoard is a temperature close to that at which boards throttle, in degrees.
const hotBoard = 80

func (e *examination) heat(context.Context) {
	r := health.NewBoard(os.DirFS(e.Root)).Read()
	words := "the board does not tell its temperature"
	if r.Temperature != nil {
		words = fmt.Sprintf("%.1f °C", *r.Temperature)
	}
	const cool = "give it a fan or a heat sink, and room for air"
	switch p := r.Power; {
	case p != nil && (p.Throttled || p.Capped || p.SoftLimit):
		e.warn("temperature", words+": the processor is throttled now", cool)
	case r.Temperature != nil && *r.Temperature >= hotBoard:
		e.warn("temperature", words+": it will be throttled", cool)
	case p != nil && (p.ThrottledOccurred || p.CappedOccurred || p.SoftLimitOccurred):
		e.warn("temperature", words+", but the processor was throttled since the start", cool)
	default:
		e.ok("temperature", "%s", words)
	}
}

func (e *examination) supply(context.Context) {
	const stronger = "use the supply made for the board, and a short cable; take USB devices off"
	switch p := health.NewBoard(os.DirFS(e.Root)).Read().Power; {
	case p == nil:
		e.ok("power", "the board does not tell about its supply")
	case p.UnderVoltage:
		e.fail("power", "the supply voltage is too low now: the board may stop at any time", stronger)
	case p.UnderVoltageOccurred:
		e.warn("power", "the supply voltage was too low since the start", stronger)
	default:
		e.ok("power", "the supply voltage was never too low since the start")
	}
}

func (e *examination) memory(context.Context) {
	m := health.NewBoard(os.DirFS(e.Root)).Memory()
	words := fmt.Sprintf("%s of %s available", size(m.Available), size(m.Total))
	switch {
	case m.Total == 0:
		e.ok("memory", "the board does not tell")
	case m.Available < m.Total/20:
		e.warn("memory", words, "end other programs, or take a smaller model (sensed model list)")
	default:
		e.ok("memory", "%s", words)
	}
}

// How little of a disk is left when sensed should say so.
const (
	littleDisk = 1 << 30
	noDisk     = 64 << 20
)

func diskOf(path string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, err
	}
	return st.Bavail * uint64(st.Bsize), st.Blocks * uint64(st.Bsize), nil
}

// disks looks at the folders into which sensed writes, or would.
func (e *examination) disks(context.Context) {
	var seen []uint64 // disks
	for _, dir := range []string{filepath.Dir(ModelFolder()), "/var/cache/sensed", "/"} {
		for dir != "/" {
			if _, err := os.Stat(dir); err == nil {
				break
			}
			dir = filepath.Dir(dir)
		}
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil || slices.Contains(seen, st.Dev) {
			continue
		}
		seen = append(seen, st.Dev)
		free, total, err := e.disk(dir)
		words := fmt.Sprintf("%s: %s of %s free", dir, size(free), size(total))
		switch {
		case err != nil:
			e.warn("disk", fmt.Sprintf("%s: %v", dir, err), "")
		case free < noDisk:
			e.fail("disk", words, "make room: sensed model rm, journalctl --vacuum-size=100M, apt-get clean")
		case free < littleDisk:
			e.warn("disk", words, "a model needs 3 GB and more: make room, or name another folder with model.folder")
		default:
			e.ok("disk", "%s", words)
		}
	}
}

// wear asks flash memory and file systems how they are.
func (e *examination) wear(context.Context) {
	told := false
	cards, _ := filepath.Glob(filepath.Join(e.Root, "sys/block/mmcblk[0-9]*/device")) // the pattern is right
	for _, c := range cards {
		rel, err := filepath.Rel(e.Root, c)
		if err != nil {
			continue
		}
		told = true
		name := filepath.Base(filepath.Dir(rel)) + " (" + e.file(filepath.Join(rel, "name")) + ")"
		used, known := lifeUsed(e.file(filepath.Join(rel, "life_time")))
		const soon = "save what matters, and replace it"
		switch {
		case !known:
			e.ok("wear", "%s does not tell its wear, as SD cards do not", name)
		case used > 100 || e.file(filepath.Join(rel, "pre_eol_info")) == "0x03":
			e.fail("wear", name+" is at the end of its life", soon)
		case used >= 80 || e.file(filepath.Join(rel, "pre_eol_info")) == "0x02":
			e.warn("wear", fmt.Sprintf("%s has used up to %d %% of its life", name, used), soon)
		default:
			e.ok("wear", "%s has used up to %d %% of its life", name, used)
		}
	}
	systems, _ := filepath.Glob(filepath.Join(e.Root, "sys/fs/ext4/*/errors_count"))
	for _, s := range systems {
		rel, err := filepath.Rel(e.Root, s)
		if err != nil {
			continue
		}
		if n := e.file(rel); n != "" && n != "0" {
			told = true
			e.warn("wear", fmt.Sprintf("the file system on %s has had %s errors", filepath.Base(filepath.Dir(rel)), n), "check it at the next start (fsck.mode=force on the kernel's command line), and look at the card")
		}
	}
	if !told {
		e.ok("wear", "no card or file system tells of any")
	}
}

// lifeUsed reads the two estimates of an eMMC (JEDEC JESD84-B51, section 7.4.17):
// each step is 10 %. It returns the upper bound of the larger in percent; more
// than 100 is past the life that was planned.
func lifeUsed(s string) (percent int, known bool) {
	for word := range strings.FieldsSeq(s) {
		n, err := strconv.ParseUint(strings.TrimPrefix(word, "0x"), 16, 8)
		if err == nil && n > 0 && n <= 11 {
			percent, known = max(percent, int(n)*10), true
		}
	}
	return percent, known
}

func systemClock() (time.Time, bool) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t) // it only asks
	const wrong, unsynced = 5, 0x40 // TIME_ERROR, STA_UNSYNC
	return time.Now(), err == nil && state != wrong && t.Status&unsynced == 0
}

// time looks at the clock: a Raspberry Pi without one begins in the past, and
// certificates are not valid then.
func (e *examination) time(context.Context) {
	now, synced := e.clock()
	words := now.Format("2006-01-02 15:04:05 MST")
	const do = "let systemd-timesyncd reach a time server (timedatectl), or give the board a clock with a battery"
	switch {
	case now.Year() < 2026:
		e.fail("clock", words+" is in the past", do)
	case !synced:
		e.warn("clock", words+", but it is not kept by a time server", do)
	default:
		e.ok("clock", "%s", words)
	}
}

// fetch says how to get a model that is of use.
func (e *examination) fetch() string {
	if e.config != nil && e.config.Model.Name != "" {
		return "sensed model pull e2b, and start sensed anew"
	}
	return "sensed model pull e2b, and \"model: current\" in the configuration"
}

// model opens the one that is configured.
func (e *examination) model(context.Context) {
	m := Model{}
	if e.config != nil {
		m = configured(e.config)
	}
	if m.Bundled() {
		e.warn("model", "the demonstration model, which knows drawings only", e.fetch())
		return
	}
	m.Packed = "off"
	engine, err := m.open(e.log)
	if err != nil {
		e.fail("model", err.Error(), "sensed model verify tells damage; sensed model pull fetches one")
		return
	}
	words := fmt.Sprintf("%s opens (%s)", engine.Model(), m.Text)
	if m.Projector == "" {
		words += ", without a projector: it neither sees nor hears"
	}
	if err := engine.Close(); err != nil {
		e.warn("model", err.Error(), "")
		return
	}
	need := modelstore.Model{}
	for role, path := range map[modelstore.Role]string{modelstore.Text: m.Text, modelstore.Projector: m.Projector, modelstore.Drafter: m.Drafter} {
		if info, err := os.Stat(path); err == nil {
			need.Files = append(need.Files, modelstore.File{Role: role, Size: info.Size()})
		}
	}
	if total := health.NewBoard(os.DirFS(e.Root)).Memory().Total; total > 0 && uint64(need.Memory()) > total {
		e.warn("model", fmt.Sprintf("%s; it needs about %s of memory, and the board has %s", words, modelstore.Size(need.Memory()), size(total)), "take a smaller one (sensed model list)")
		return
	}
	e.ok("model", "%s", words)
}
