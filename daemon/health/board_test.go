package health

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// board makes a board out of files and their content.
func board(files map[string]string) *Board {
	root := fstest.MapFS{}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return NewBoard(root)
}

func celsius(t float64) *float64 { return &t }

func TestBoard(t *testing.T) {
	const (
		pi4  = "sys/devices/platform/soc/soc:firmware/get_throttled"
		pi5  = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
		zone = "sys/class/thermal/thermal_zone0/"
	)
	for name, tt := range map[string]struct {
		files map[string]string
		want  Reading
	}{
		"nothing is known": {nil, Reading{}},
		"a Pi 4 at rest":   {map[string]string{zone + "type": "cpu-thermal\n", zone + "temp": "47712\n", pi4: "0\n"}, Reading{celsius(47.712), &Power{}}},
		"a Pi 5 that had a bad supply": {map[string]string{zone + "type": "cpu-thermal\n", zone + "temp": "85100\n", pi5: "50005\n"},
			Reading{celsius(85.1), &Power{UnderVoltage: true, Throttled: true, UnderVoltageOccurred: true, ThrottledOccurred: true}}},
		"all bits": {map[string]string{pi4: "0xf000f"}, Reading{nil, &Power{true, true, true, true, true, true, true, true}}},
		"the alarm of the supply alone": {map[string]string{
			"sys/class/hwmon/hwmon0/name": "cpu_thermal\n", "sys/class/hwmon/hwmon1/name": "rpi_volt\n", "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n",
		}, Reading{nil, &Power{UnderVoltage: true, UnderVoltageOccurred: true}}},
		"the processor's zone of several": {map[string]string{
			zone + "type": "acpitz", zone + "temp": "20000", "sys/class/thermal/thermal_zone1/type": "x86_pkg_temp", "sys/class/thermal/thermal_zone1/temp": "61000",
		}, Reading{celsius(61), nil}},
		"another zone":     {map[string]string{zone + "type": "acpitz", zone + "temp": "-5000"}, Reading{celsius(-5), nil}},
		"a broken sensor":  {map[string]string{zone + "type": "cpu-thermal", zone + "temp": "999999999"}, Reading{}},
		"not what it says": {map[string]string{zone + "temp": "warm", pi4: "yes"}, Reading{}},
	} {
		if d := cmp.Diff(tt.want, board(tt.files).Read()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestMemory(t *testing.T) {
	const kb = 1024
	general := map[string]string{
		"proc/meminfo":         "MemTotal:        8000 kB\nMemFree:  100 kB\nMemAvailable:    6000 kB\nHugePages_Total:       0\n",
		"proc/self/status":     "Name:\tsensed\nVmRSS:\t 900 kB\nRssAnon:\t  300 kB\nRssFile:\t  500 kB\nRssShmem:\t  100 kB\n",
		"proc/pressure/memory": "some avg10=12.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=7.50 avg60=0.00 avg300=0.00 total=1\n",
		"proc/self/cgroup":     "0::/system.slice/sensed.service\n",
	}
	group := func(limit string) map[string]string {
		out := map[string]string{
			"sys/fs/cgroup/system.slice/sensed.service/memory.max":     limit,
			"sys/fs/cgroup/system.slice/sensed.service/memory.current": "5000\n",
			"sys/fs/cgroup/system.slice/sensed.service/memory.stat":    "anon 1000\nfile 3000\nfile_mapped 2000\n",
		}
		for k, v := range general {
			out[k] = v
		}
		return out
	}
	want := Memory{Total: 8000 * kb, Available: 6000 * kb, Anonymous: 400 * kb, File: 500 * kb, Stalled: celsius(7.5)}
	limited := want
	limited.Limit, limited.Left = 6000, 4000
	for name, tt := range map[string]struct {
		files map[string]string
		want  Memory
	}{
		"nothing is known": {nil, Memory{}},
		"no group":         {general, want},
		"no limit":         {group("max\n"), want},
		"a limit":          {group("6000\n"), limited},
		"an odd path":      {map[string]string{"proc/self/cgroup": "0::/../../etc\n"}, Memory{}},
		"cgroup v1":        {map[string]string{"proc/self/cgroup": "4:memory:/sensed\n"}, Memory{}},
	} {
		if d := cmp.Diff(tt.want, board(tt.files).Memory()); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// FuzzBoard: whatever the files hold, what comes out is a number or unknown.
func FuzzBoard(f *testing.F) {
	f.Add("47712\n", "50005\n", "MemTotal: 8000 kB\n", "0::/system.slice/sensed.service\n", "full avg10=7.50 avg60\n")
	f.Add("-1", "0xfffffffff", "MemTotal: 99999999999999999999 kB\nMemAvailable:1", "0::/..", "full avg10=NaN x")
	f.Add("", "", "::::\n", "0::", "full avg10=")
	f.Fuzz(func(t *testing.T, temp, throttled, meminfo, cgroup, pressure string) {
		b := board(map[string]string{
			"sys/class/thermal/thermal_zone0/temp":                temp,
			"sys/devices/platform/soc/soc:firmware/get_throttled": throttled,
			"proc/meminfo":         meminfo,
			"proc/self/status":     meminfo,
			"proc/self/cgroup":     cgroup,
			"proc/pressure/memory": pressure,
			"sys/fs/cgroup/system.slice/sensed.service/memory.max":     temp,
			"sys/fs/cgroup/system.slice/sensed.service/memory.current": throttled,
		})
		r, m := b.Read(), b.Memory()
		if r.Temperature != nil && !(*r.Temperature >= -55 && *r.Temperature <= 200) {
			t.Errorf("temperature %v", *r.Temperature)
		}
		if m.Stalled != nil && !(*m.Stalled >= 0 && *m.Stalled <= 100) {
			t.Errorf("stalled %v", *m.Stalled)
		}
		if m.Left > m.Limit {
			t.Errorf("%d of %d are left", m.Left, m.Limit)
		}
	})
}
