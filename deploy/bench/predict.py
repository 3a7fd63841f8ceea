#!/usr/bin/env python3
"""Predicts what sensed does on a Raspberry Pi 5 from its inner loops, without one. Prints Markdown tables.

usage: predict.py [--cores 4] [--ghz 2.4] [--bandwidth 11.4] [--mca llvm-mca]

needs: aarch64-linux-gnu-gcc and llvm-mca (Debian: gcc-aarch64-linux-gnu llvm)

Each kernel is compiled as the build does it, its hot loop is cut out of the assembly, and llvm-mca tells how many cycles
one turn of it takes on a Cortex-A76 whose loads all hit the first-level cache. LLVM schedules the A76 with the model of
the older and narrower A57 (3 instructions a cycle), so that is the slow end. The fast end is what the A76's optimization
guide allows when nothing waits: 4 instructions, 2 vector operations and 2 loads or stores a cycle. The truth lies between.
"""
import argparse
import pathlib
import re
import subprocess
import tempfile

KERNELS = pathlib.Path(__file__).resolve().parents[2] / "kernels"
OVERHEAD = 1.15  # what norms, rotations, rounding, sampling and uneven shares of threads add to the products
BATCH = 256  # positions of a prompt at once, for which a tile is unpacked once

# Gemma 4 E2B
HIDDEN, HEADS, PER_LAYER, VOCABULARY, LAYERS, OWN = 1536, 8, 256, 262144, 35, 15
Q4_0, Q6_K, F16, TOWER = 18 / 32, 210 / 256, 2.0, 36 / 32  # bytes per weight; a tower's are packed in 8 bits


def assembly(source):
    """The instructions of each function of a C file, with labels."""
    with tempfile.NamedTemporaryFile(suffix=".s") as out:
        subprocess.run(["aarch64-linux-gnu-gcc", "-std=c11", "-O3", "-S", "-o", out.name, KERNELS / source], check=True)
        text = pathlib.Path(out.name).read_text()
    return {name: body for name, body in re.findall(r"^([A-Za-z_]\w*):\n(.*?)^\t\.size\t\1", text, re.M | re.S)}


class Function:
    """A function as a list of instructions and the loops in it."""

    def __init__(self, body):
        self.code, places = [], {}
        for line in body.split("\n"):
            label = re.match(r"(\.L\w+):", line)
            if label:
                places[label[1]] = len(self.code)
            elif re.match(r"\t[a-z]", line):
                self.code.append(line.strip())
        self.loops = []
        for i, x in enumerate(self.code):
            jump = re.match(r"(?:b\.?\w*|cbn?z|tbn?z)\s.*?(\.L\w+)$", x)
            if jump and places.get(jump[1], i + 1) <= i:
                self.loops.append((places[jump[1]], i))
        self.inner = [a for a in self.loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in self.loops)]

    def text(self, loop, inner=None, trips=1):
        """The instructions of a loop, those of the loop inside repeated."""
        code = self.code[loop[0]:loop[1] + 1]
        if inner:
            a, b = inner[0] - loop[0], inner[1] + 1 - loop[0]
            code = code[:a] + code[a:b] * trips + code[b:]
        return code


def cycles(mca, code):
    """Cycles of one turn of a loop: by llvm-mca, and by what the A76 allows at best."""
    out = subprocess.run([mca, "-mtriple=aarch64-linux-gnu", "-mcpu=cortex-a76", "-iterations=200"], input="\n".join(code) + "\n",
                         capture_output=True, text=True, check=True).stdout
    slow = int(re.search(r"Total Cycles:\s+(\d+)", out)[1]) / 200
    memory = sum(bool(re.match(r"(ld|st)", x)) for x in code)
    vector = sum(bool(re.search(r"\b[vqsd]\d+\b", x)) and not re.match(r"(ld|st)", x) for x in code)
    return slow, max(len(code) / 4, vector / 2, memory / 2)


def measure(mca):
    """Multiplications and unpacked weights per cycle of one core: (slow, fast) for each kernel."""
    out = {}
    gemm = assembly("gemm_q8_dotprod_arm64.c")
    for group in (32, 16):
        f = Function(gemm[f"gemm_group{group}_dotprod"])
        dots = {loop: sum(x.startswith("sdot") for x in f.text(loop)) for loop in f.inner}
        hot = sorted((n, loop) for loop, n in dots.items() if n)
        for name, (n, loop) in (("one", hot[0]), ("four", hot[-1])):
            out[f"gemm{group} {name}"] = [16 * n / c for c in cycles(mca, f.text(loop))]
    unpack = assembly("unpack_neon_arm64.c")
    f = Function(unpack["unpack_packed_q4_0_neon"])
    out["unpack Q4_0"] = [4 * 32 / c for c in cycles(mca, f.text(f.inner[0]))]
    f = Function(unpack["unpack_packed_q6_k_neon"])
    outer = min((a for a in f.loops if a not in f.inner), key=lambda a: a[1] - a[0])
    out["unpack Q6_K"] = [4 * 256 / c for c in cycles(mca, f.text(outer, f.inner[0], 4))]
    f = Function(unpack["unpack_f16_neon"])
    out["unpack F16"] = [4 * 8 / c for c in cycles(mca, f.text(f.inner[0]))]
    return out


def text_weights():
    """Weights of the decoder: of the layers that each prompt position runs through, and of the rest."""
    trunk = rest = 0
    for i in range(LAYERS):
        dim, ffn = 256 if (i + 1) % 5 else 512, 6144 if i < OWN else 12288
        kv = 2 * dim * HIDDEN if i < OWN else 0
        other = 2 * HEADS * dim * HIDDEN + 3 * ffn * HIDDEN + 2 * PER_LAYER * HIDDEN
        if i < OWN - 1:
            trunk += kv + other
        else:
            trunk, rest = trunk + kv, rest + other
    return trunk, rest


class Board:
    """A board, at one end of the range."""

    def __init__(self, args, rates, end):
        self.hertz, self.bandwidth = args.cores * args.ghz * 1e9, args.bandwidth * 1e9
        self.rate = {k: v[end] for k, v in rates.items()}

    def product(self, weights, rows, kind, bytes_each):
        """Seconds to multiply weights with rows of activations: arithmetic, or reading the weights if that takes longer."""
        group = "16" if kind == "Q6_K" else "32"
        passes = -(-rows // BATCH)
        if kind == "tower":  # rounded when it was packed, and multiplied as it lies there
            return max(weights * rows / self.rate["gemm32 four"] / self.hertz * OVERHEAD, passes * weights * TOWER / self.bandwidth)
        gemm = self.rate[f"gemm{group} " + ("four" if rows > 3 else "one")]
        unpack = 1 / self.rate["unpack " + kind]
        work = weights * (passes * unpack + rows / gemm) / self.hertz * OVERHEAD
        return max(work, passes * weights * bytes_each / self.bandwidth)

    def head(self, rows):
        return self.product(VOCABULARY * HIDDEN, rows, "Q6_K", Q6_K)

    def prefill(self, n):
        trunk, rest = text_weights()
        side = (OWN - 1) * PER_LAYER * HIDDEN  # projection of the per-layer embeddings
        return self.product(trunk, n, "Q4_0", Q4_0) + self.product(side, n, "F16", F16) + self.product(rest, 1, "Q4_0", Q4_0) + self.head(1)

    def decode(self, rows=1):
        trunk, rest = text_weights()
        return self.product(trunk + rest, rows, "Q4_0", Q4_0) + self.product(LAYERS * PER_LAYER * HIDDEN, rows, "F16", F16) + self.head(rows)

    def vision(self, patches):
        weights = 16 * (4 * 768 * 768 + 3 * 768 * 3072)
        attention = 16 * 2 * patches * patches * 768 / (8 * self.hertz)  # two vector multiplications of four floats a cycle
        return self.product(weights, patches, "tower", TOWER) + attention * 2  # loads and exponentials as much again

    def audio(self, seconds):
        weights = 12 * (4 * 1024 * 4096 + 5 * 1024 * 1024 + 3 * 1024 * 1024)
        return self.product(weights, 25 * seconds, "tower", TOWER)

    def frame(self):
        """Encode, read the picture, and two questions: 20 and 25 tokens to read, 24 to write; 3 boxes of 12 numbers of which a
        pass writes one token, with the forced text between in the same pass."""
        answers = 24 * self.decode() + 36 * (self.decode() + self.decode(4)) / 2
        return self.vision(567) + self.prefill(67) + self.prefill(20) + self.prefill(25) + answers

    def same_frame(self):
        """Both questions are read again, and both answers are checked in batches of 8 guesses."""
        return self.prefill(20) + self.prefill(25) + (24 / 8 + 110 / 8) * self.decode(8)

    def speech(self):
        """The last 0.64 s of sound, the end of the prompt, 12 tokens."""
        return self.audio(0.64) + self.prefill(16 + 6) + 12 * self.decode()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cores", type=int, default=4), p.add_argument("--ghz", type=float, default=2.4)
    p.add_argument("--bandwidth", type=float, default=11.4, help="GB/s of the memory, sustained")
    p.add_argument("--mca", default="llvm-mca")
    args = p.parse_args()
    rates = measure(args.mca)
    print("| inner loop | llvm-mca, per cycle and core | at best |\n|---|---|---|")
    for name, (slow, fast) in rates.items():
        print(f"| {name} | {slow:.1f} {'weights' if name.startswith('unpack') else 'products'} | {fast:.1f} |")
    slow, fast = Board(args, rates, 0), Board(args, rates, 1)
    trunk, rest = text_weights()
    print(f"\nE2B, Q4_0: {trunk / 1e6:.0f} M weights before the last own keys, {rest / 1e6:.0f} M after; "
          f"{(trunk + rest) * Q4_0 / 1e9 + VOCABULARY * HIDDEN * Q6_K / 1e9:.2f} GB a token.\n")
    print("| Pi 5, 4 threads | slow end | fast end |\n|---|---|---|")
    for what, f, unit in (
        ("prefill 256", lambda b: 256 / b.prefill(256), "tokens/s"), ("prefill 512", lambda b: 512 / b.prefill(512), "tokens/s"),
        ("decode, no speculation", lambda b: 1 / b.decode(), "tokens/s"),
        ("vision encode at 70", lambda b: b.vision(567), "s"), ("vision encode at 280", lambda b: b.vision(2394), "s"),
        ("audio encode 5 s", lambda b: b.audio(5), "s"), ("audio encode 30 s", lambda b: b.audio(30), "s"),
        ("frame to caption and boxes", Board.frame, "s"), ("unchanged scene", Board.same_frame, "s"),
        ("end of speech to transcript", Board.speech, "s"),
    ):
        a, b = f(slow), f(fast)
        print(f"| {what} | {a:.3g} {unit} | {b:.3g} {unit} |")


if __name__ == "__main__":
    main()
