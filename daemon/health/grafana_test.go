package health

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDashboard: every metric that the shipped dashboard asks for is exposed,
// and every label that it chooses or sums by.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "deploy", "grafana.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Name, Query string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	names, text := exposed(t, full(t))
	metric := regexp.MustCompile(`\b(?:sensed|process|go)_[a-z0-9_]+`)
	label := regexp.MustCompile(`\{\{(\w+)\}\}|by \(([\w, ]+)\)|[{,](\w+)=`)
	asked := 0
	check := func(where, expr string) {
		for _, name := range metric.FindAllString(expr, -1) {
			asked++
			if !names[name] {
				t.Errorf("%s asks for %s, which is not exposed", where, name)
			}
		}
		for _, m := range label.FindAllStringSubmatch(expr, -1) {
			for l := range strings.SplitSeq(m[1]+m[2]+m[3], ", ") {
				if l != "instance" && !strings.Contains(text, l+`="`) { // Prometheus adds the instance
					t.Errorf("%s uses the label %s, which no metric has", where, l)
				}
			}
		}
	}
	ids := map[int]bool{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q has the number or title of another, asks for nothing or is too wide", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			check("panel "+p.Title, q.Expr)
			check("the legend of panel "+p.Title, q.LegendFormat)
		}
	}
	for _, v := range dashboard.Templating.List {
		check("variable "+v.Name, v.Query)
	}
	if asked < 20 {
		t.Errorf("only %d metrics are asked for", asked)
	}
}
