package understand

import (
	"image"
	"testing"

	"sensed/devices/scene"
)

// TestSceneCamera asks the bundled model about pictures of the synthetic
// camera, which draws from the distribution that the model was trained on. The
// limits are some way below what it does today, so that a new model, or
// another hand at the drawing, has to be about as good.
func TestSceneCamera(t *testing.T) {
	const scenes = 40
	e := bundledEngine(t)
	var right, hits, found, there int
	for seed := range uint64(scenes) {
		camera, err := scene.New(scene.Opts{Seed: seed, Night: seed%5 == 4})
		if err != nil {
			t.Fatal(err)
		}
		shown := camera.World().Truth(0)
		in := Input{Images: []image.Image{camera.World().Draw(0)}}
		caption, err := e.Understand(t.Context(), Task{Kind: Caption}, in)
		if err != nil {
			t.Fatal(err)
		}
		if caption.Text == shown.Caption() {
			right++
		} else {
			t.Logf("seed %d: %s Answer: %s", seed, shown.Caption(), caption.Text)
		}
		answer, err := e.Understand(t.Context(), Task{Kind: Detect}, in)
		if err != nil {
			t.Fatal(err)
		}
		var truths []truth
		for _, o := range shown.Objects {
			truths = append(truths, truth{o.Label, [4]float64{float64(o.Box[0]), float64(o.Box[1]), float64(o.Box[2]), float64(o.Box[3])}})
		}
		for _, hit := range matched(answer.Objects, truths) {
			if hit {
				hits++
			}
		}
		found += len(answer.Objects)
		there += len(shown.Objects)
	}
	captions, f1 := float64(right)/scenes, 2*float64(hits)/float64(found+there)
	t.Logf("captions %.1f%%, boxes F1 %.3f", 100*captions, f1)
	if captions < 0.85 {
		t.Errorf("%.0f%% of the captions are right, want 85%%", 100*captions)
	}
	if f1 < 0.93 {
		t.Errorf("F1 of the boxes is %.3f, want 0.93", f1)
	}
}
