#!/usr/bin/env python3
"""Compares sensed with llama.cpp: the same work on the same file with the same threads, in turns.

usage: peer.py --sensed bin/sensed --model M.gguf --projector P.gguf [--threads 2] [--runs 5] [--only A,B] [--json FILE]
       peer.py --sensed bin/sensed --shape e2b ...      (random weights, as `sensed bench --shape` writes them)

llama.cpp is the PyPI package llama-cpp-python, built on this machine with its native instructions in a venv outside the
repository: the one of --venv, or one in the user's cache that is made on the first run (minutes of compiling; needs a C++
compiler and cmake). Both programs stay loaded and warm, and take turns: one of each pair is run, then the other, and
which is first changes each time. A ratio is llama.cpp's time by ours; above 1 we are faster.

The answers are of fixed lengths: random weights never end one.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = "llama-cpp-python>=0.3.36"
PAUSE = 0.1  # seconds between runs: threads of the other program spin for a while after their work

ROWS = [  # name, what it is called in the table, the least ratio that is asked for
    ("prefill-256", "prefill 256 tokens", 3.5),
    ("prefill-512", "prefill 512 tokens", 3.5),
    ("decode-64", "decode 64 tokens", 1.15),
    ("vision-70", "vision encode 640x480, 70 tokens", 2),
    ("audio-5", "audio encode 5 s", 2),
    ("frame-changed", "frame to caption and boxes", 4),
    ("frame-unchanged", "the same, unchanged scene", 8),
    ("speech-end", "end of 3 s of speech to transcript", 4),
]


class Process:
    """A program that answers lines with lines of JSON."""

    def __init__(self, name, command, env=None):
        self.name, self.command = name, command
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def ask(self, line):
        try:
            self.p.stdin.write(line + "\n")
            self.p.stdin.flush()
            answer = self.p.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise SystemExit(f"{self.name} ended with code {self.p.wait()} when it was asked for {line!r}; it was started as {' '.join(map(str, self.command))}")
        reply = json.loads(answer)
        if "error" in reply:
            raise SystemExit(f"{self.name} cannot do {line!r}: {reply['error']}")
        return reply

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def python_of(venv):
    """The interpreter of the venv, which is made and filled if it is not there."""
    python = venv / "bin" / "python"
    if not python.exists():
        print(f"making {venv}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    if subprocess.run([python, "-c", "import llama_cpp, numpy"], capture_output=True).returncode:
        print(f"compiling {PACKAGE} for this processor; this takes minutes", file=sys.stderr)
        env = dict(os.environ, CMAKE_ARGS="-DGGML_NATIVE=ON -DCMAKE_BUILD_TYPE=Release")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-binary", "llama-cpp-python", PACKAGE, "numpy"], check=True, env=env)
    return python


def files_of(args):
    """The model's files; with --shape those that sensed writes."""
    if not args.shape:
        if not args.model:
            raise SystemExit("--model (with --projector) or --shape is needed")
        return args.model, args.projector
    command = [args.sensed, "bench", "--shape", args.shape, "--type", args.type, "--only", "load", "--runs", "1", "--json"]
    if args.dir:
        command += ["--dir", args.dir]
    model = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)["model"]
    return model["text"], model["projector"]


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": values}


def in_turns(name, ours, theirs, runs):
    """Runs a measurement on both in pairs, after one that is not counted."""
    seconds = {ours: [], theirs: []}
    tokens = {}
    for i in range(-1, runs):
        for who in (ours, theirs) if i % 2 else (theirs, ours):
            time.sleep(PAUSE)
            reply = who.ask(name)
            tokens[who] = reply.get("answer_tokens", 0)
            if i >= 0:
                seconds[who].append(reply["seconds"])
    ratios = [b / a for a, b in zip(seconds[ours], seconds[theirs])]
    return {"name": name, "ours_seconds": spread(seconds[ours]), "llama_seconds": spread(seconds[theirs]), "ratio": spread(ratios),
            "our_tokens": tokens[ours], "llama_tokens": tokens[theirs]}


def megabytes(memory):
    return f"{memory['anonymous_bytes'] / 1e6:.0f} MB anonymous, {memory['file_bytes'] / 1e6:.0f} MB of files"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sensed", default=str(HERE.parent.parent / "bin" / "sensed"), help="the program (default: bin/sensed)")
    p.add_argument("--model"), p.add_argument("--projector", default="")
    p.add_argument("--shape", help="e2b or e4b: random weights"), p.add_argument("--type", default="q4_0"), p.add_argument("--dir")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--only", default="", help="names of rows, with commas between: " + ", ".join(r[0] for r in ROWS))
    p.add_argument("--context", type=int, default=4096, help="of llama.cpp, which takes its memory at once")
    p.add_argument("--venv", type=pathlib.Path, default=pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "sensed" / "peer-venv")
    p.add_argument("--json", type=pathlib.Path, help="write everything to this file too")
    args = p.parse_args()
    only = [n for n in args.only.split(",") if n]
    unknown = set(only) - {r[0] for r in ROWS}
    if unknown:
        p.error(f"there is no row {', '.join(sorted(unknown))}")
    if args.runs < 1 or args.threads < 1:
        p.error("--runs and --threads must be at least 1")
    if not pathlib.Path(args.sensed).exists():
        p.error(f"{args.sensed} is not there: build it with deploy/build.sh, or name it with --sensed")
    python = python_of(args.venv)
    text, projector = files_of(args)
    sees = ["--projector", projector] if projector else []
    rows = [r for r in ROWS if (not only or r[0] in only) and (projector or r[0].startswith(("prefill", "decode")))]

    with tempfile.TemporaryDirectory() as folder:
        ours = Process("sensed", [args.sensed, "bench", "--serve", "--model", text, *sees, "--threads", str(args.threads)])
        inputs = ours.ask(f"inputs {folder}")["inputs"]
        (pathlib.Path(folder) / "inputs.json").write_text(json.dumps(inputs))
        env = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
        theirs = Process("llama.cpp", [python, HERE / "llama_worker.py", "--model", text, *sees, "--threads", str(args.threads),
                                       "--context", str(args.context), "--inputs", folder], env)
        about = theirs.ask("about")["about"]
        print(f"{platform.machine()}, {args.threads} threads, {text}\n{about}\n")
        print(f"{'':36}{'ours':>10}{'llama.cpp':>11}{'ratio':>8}  {'least .. most':15}{'wanted':>7}  tokens")
        results = []
        for name, what, least in rows:
            r = in_turns(name, ours, theirs, args.runs)
            r["wanted"] = least
            results.append(r)
            ratio = r["ratio"]
            tokens = f"{r['our_tokens']} and {r['llama_tokens']}" if r["our_tokens"] else ""
            print(f"{what:36}{r['ours_seconds']['median']:9.3f}s{r['llama_seconds']['median']:10.3f}s{ratio['median']:8.2f}  "
                  f"{ratio['min']:6.2f} .. {ratio['max']:<6.2f}{least:7.2f}  {tokens}", flush=True)
        memory = {"ours": ours.ask("memory")["memory"], "llama": theirs.ask("memory")["memory"]}
        print(f"\nmemory after all of this: ours {megabytes(memory['ours'])}; llama.cpp {megabytes(memory['llama'])}")
        ours.close(), theirs.close()
    if args.json:
        args.json.write_text(json.dumps({"machine": platform.machine(), "threads": args.threads, "model": text, "projector": projector,
                                         "llama": about, "rows": results, "memory": memory}, indent=2) + "\n")


if __name__ == "__main__":
    main()
