#!/usr/bin/env python3
"""Compares sensed's speech gate with other voice-activity detectors, frame by frame: the area under the curve of hits over
false alarms (1: perfect, 0.5: chance), for speech in noises from -5 to 20 dB.

usage: vad.py [--speech FOLDER] [--venv DIR]

The sounds and our values come from the Go test TestSpeechCurve (daemon/gate), which this runs. --speech names a folder of WAV
files with recorded people to use instead of synthetic voices, such as
/usr/share/pocketsphinx/test/data/librivox of the Debian package pocketsphinx-testdata.

The others are of PyPI, in a venv outside the repository: that of --venv, or one in the user's cache that is made on the first
run. WebRTC's detector (webrtcvad-wheels) says yes or no in four strengths: its curve goes through these four points, straight
between them. Silero's (silero-vad, with onnxruntime) is a neural network of 2 MB that gives a probability.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import wave

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGES = ["numpy", "onnxruntime", "webrtcvad-wheels"]  # silero-vad itself asks for torch, which it does not need
FRAME = 320  # samples: 20 ms at 16 kHz
NOISES = ["white", "pink", "hum", "rain", "keyboard", "babble"]
RATIOS = [-5, 0, 5, 10, 15, 20]


def enter(venv):
    """Starts this script again with the interpreter of the venv."""
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "silero-vad>=6.2"], check=True)
    if pathlib.Path(sys.prefix) != venv:
        os.execv(python, [str(python), *sys.argv])


def read(path):
    with wave.open(str(path)) as f:
        return f.readframes(f.getnframes())


def area(values, truth):
    """The chance that a frame of speech has a higher value than one without, ties counting half."""
    import numpy as np
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    ranks = np.empty(len(values))
    first = np.searchsorted(ordered, ordered, side="left")
    last = np.searchsorted(ordered, ordered, side="right")
    ranks[order] = (first + last + 1) / 2
    n = truth.sum()
    return (ranks[truth].sum() - n * (n + 1) / 2) / (n * (len(truth) - n))


def webrtc(pcm, n):
    """How many of the four strengths take a frame for speech: a value with the four points as its curve."""
    import numpy as np
    import webrtcvad
    value = np.zeros(n)
    for mode in range(4):
        vad = webrtcvad.Vad(mode)
        value += [vad.is_speech(pcm[2 * FRAME * i:2 * FRAME * (i + 1)], 16000) for i in range(n)]
    return value


def silero(session, pcm, n):
    """The probability of the window of 32 ms that holds the middle of each frame."""
    import numpy as np
    x = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768
    state, context, p = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
    for at in range(0, len(x), 512):
        window = np.zeros(512, np.float32)
        window[:len(x[at:at + 512])] = x[at:at + 512]
        given = {"input": np.concatenate([context, window])[None], "state": state, "sr": np.array(16000, np.int64)}
        out, state = session.run(None, given)
        p.append(float(out[0, 0]))
        context = window[-64:]
    return np.array([p[min(len(p) - 1, (i * FRAME + FRAME // 2) // 512)] for i in range(n)])


def main():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", help="folder of WAV files with speech")
    parser.add_argument("--venv", type=pathlib.Path, default=cache / "sensed-vad")
    args = parser.parse_args()
    enter(args.venv.resolve())
    import numpy as np
    import onnxruntime
    model = next(pathlib.Path(sys.prefix).glob("lib/python*/site-packages/silero_vad/data/silero_vad.onnx"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options)

    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ, SENSED_VAD=folder)
        if args.speech:
            env["SENSED_SPEECH"] = str(pathlib.Path(args.speech).resolve())
        subprocess.run(["go", "test", "-count=1", "-run", "TestSpeechCurve$", "./daemon/gate"], cwd=ROOT, env=env, check=True, stdout=sys.stderr)
        names = ["sensed", "WebRTC", "Silero"]
        print(f"{'':18}" + "".join(f"{r:+6d} dB" for r in RATIOS) + "     mean")
        total = {name: [] for name in names}
        for noise in NOISES:
            rows = {name: [] for name in names}
            for ratio in RATIOS:
                path = pathlib.Path(folder) / f"{noise}{ratio:+03d}"
                lines = [line.split() for line in path.with_suffix(".txt").read_text().splitlines()]
                truth = np.array([line[0] == "true" for line in lines])
                pcm = read(path.with_suffix(".wav"))
                rows["sensed"].append(area(np.array([float(line[1]) for line in lines]), truth))
                rows["WebRTC"].append(area(webrtc(pcm, len(truth)), truth))
                rows["Silero"].append(area(silero(session, pcm, len(truth)), truth))
            for name in names:
                total[name] += rows[name]
                print(f"{noise if name == names[0] else '':10}{name:8}" + "".join(f"{v:9.3f}" for v in rows[name]) + f"{np.mean(rows[name]):9.3f}", flush=True)
        for name in names:
            columns = np.array(total[name]).reshape(len(NOISES), len(RATIOS))
            print(f"{'all' if name == names[0] else '':10}{name:8}" + "".join(f"{v:9.3f}" for v in columns.mean(axis=0)) + f"{columns.mean():9.3f}")


if __name__ == "__main__":
    main()
