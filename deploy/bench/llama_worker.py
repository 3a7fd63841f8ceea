"""The same work as `sensed bench --serve`, done by llama.cpp: peer.py runs this in the venv of llama-cpp-python.

Each line of standard input names a measurement and is answered with a line of JSON:
{"name", "seconds", "answer_tokens"}, {"name", "memory": {...}} or {"name", "error"}.

Questions and media come from the folder that `sensed bench --serve` filled ("inputs FOLDER").

Text prompts and the keys and values of earlier positions are handled as llama-server does with its prompt cache on: of
a new prompt, only what follows the longest beginning in common with the one before is read, and a picture counts as
the same when its bytes are. HTTP, JSON and sampling chains are left out, which is in favour of llama.cpp.
"""
import argparse
import ctypes
import hashlib
import json
import pathlib
import sys
import time

import numpy as np
import llama_cpp as ll
from llama_cpp import mtmd_cpp as mt


class Failure(Exception):
    """Something that llama.cpp refused."""


def require(ok, what):
    if not ok:
        raise Failure(what)
    return ok


class Llama:
    """A model of llama.cpp with its context and, with a projector, its eyes and ears."""

    def __init__(self, args):
        ll.llama_backend_init()
        model = ll.llama_model_default_params()
        model.n_gpu_layers = 0
        self.model = require(ll.llama_model_load_from_file(args.model.encode(), model), f"{args.model} cannot be loaded")
        context = ll.llama_context_default_params()
        context.n_ctx = args.context
        context.n_threads = context.n_threads_batch = args.threads
        self.context = require(ll.llama_init_from_model(self.model, context), "the context cannot be made")
        self.memory = ll.llama_get_memory(self.context)
        self.vocab = ll.llama_model_get_vocab(self.model)
        self.words = ll.llama_vocab_n_tokens(self.vocab)
        self.batch = ll.llama_batch_init(ll.llama_n_batch(self.context), 0, 1)
        self.read = []  # what the cache holds: one entry for each position
        self.senses = {}  # by the most tokens of a picture
        self.args = args

    def sense(self, image_tokens):
        """The projector for pictures of at most so many tokens."""
        if image_tokens not in self.senses:
            require(self.args.projector, "there is no projector")
            params = mt.mtmd_context_params_default()
            params.use_gpu, params.print_timings, params.n_threads = False, False, self.args.threads
            params.image_min_tokens = params.image_max_tokens = image_tokens
            self.senses[image_tokens] = require(
                mt.mtmd_init_from_file(self.args.projector.encode(), self.model, params), f"{self.args.projector} cannot be loaded")
        return self.senses[image_tokens]

    def forget(self, keep=0):
        """Drops all positions from keep on."""
        if not ll.llama_memory_seq_rm(self.memory, 0, keep, -1):
            ll.llama_memory_clear(self.memory, True)
            keep = 0
        del self.read[keep:]

    def decode(self, ids):
        """Reads tokens; the logits after the last are kept."""
        limit = ll.llama_n_batch(self.context)
        for at in range(0, len(ids), limit):
            part = ids[at:at + limit]
            for i, token in enumerate(part):
                self.batch.token[i], self.batch.pos[i] = token, len(self.read) + i
                self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, 0
                self.batch.logits[i] = at + i == len(ids) - 1
            self.batch.n_tokens = len(part)
            require(ll.llama_decode(self.context, self.batch) == 0, "llama_decode failed")
            self.read.extend(("token", t) for t in part)
        ll.llama_synchronize(self.context)

    def best(self):
        """The likeliest token. numpy is faster than the greedy sampler of llama.cpp, which copies all candidates."""
        logits = np.ctypeslib.as_array(ll.llama_get_logits_ith(self.context, -1), shape=(self.words,))
        return int(logits.argmax())

    def write(self, n):
        """Writes n tokens and stops at none: the last one is not read again, as nobody asks what follows it."""
        for i in range(n):
            token = self.best()
            if i + 1 < n:
                self.decode([token])

    def tokenize(self, text):
        room = (ctypes.c_int32 * (len(text.encode()) + 8))()
        n = ll.llama_tokenize(self.vocab, text.encode(), len(text.encode()), room, len(room), False, True)
        require(n >= 0, "the text cannot be tokenized")
        return list(room[:n])

    def picture(self, raw, width, height):
        return require(mt.mtmd_bitmap_init(width, height, (ctypes.c_uint8 * len(raw)).from_buffer_copy(raw)), "no picture")

    def sound(self, samples):
        return require(mt.mtmd_bitmap_init_from_audio(len(samples), samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))), "no sound")

    def chunks(self, sense, text, media):
        """Cuts a prompt into chunks of text and of media."""
        out = require(mt.mtmd_input_chunks_init(), "no chunks")
        data = text.encode()
        bitmaps = (mt.mtmd_bitmap_p_ctypes * max(1, len(media)))(*media)
        head = mt.mtmd_input_text(data, len(data), True, True)
        require(mt.mtmd_tokenize(sense, out, ctypes.byref(head), bitmaps, len(media)) == 0, "mtmd_tokenize failed")
        return out

    def encode(self, sense, medium):
        """Seconds to turn a picture or a sound into soft tokens, preparation included, and how many there are."""
        start = time.perf_counter()
        chunks = self.chunks(sense, mt.mtmd_default_marker().decode(), [medium])
        tokens = 0
        for i in range(mt.mtmd_input_chunks_size(chunks)):
            chunk = mt.mtmd_input_chunks_get(chunks, i)
            if mt.mtmd_input_chunk_get_type(chunk) != mt.MTMD_INPUT_CHUNK_TYPE_TEXT:
                require(mt.mtmd_encode_chunk(sense, chunk) == 0, "mtmd_encode_chunk failed")
                tokens += mt.mtmd_input_chunk_get_n_tokens(chunk)
        seconds = time.perf_counter() - start
        mt.mtmd_input_chunks_free(chunks)
        return seconds, tokens

    def ask(self, sense, text, medium, mark):
        """Reads a prompt with one medium, which mark tells from others, but not what it has in common with the last."""
        chunks = self.chunks(sense, text, [medium])
        parts, entries = [], []
        for i in range(mt.mtmd_input_chunks_size(chunks)):
            chunk = mt.mtmd_input_chunks_get(chunks, i)
            n = mt.mtmd_input_chunk_get_n_tokens(chunk)
            if mt.mtmd_input_chunk_get_type(chunk) == mt.MTMD_INPUT_CHUNK_TYPE_TEXT:
                count = ctypes.c_size_t()
                tokens = mt.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
                parts.append(("text", list(tokens[:count.value])))
                entries += [("token", t) for t in parts[-1][1]]
            else:
                parts.append(("media", chunk, n))
                entries += [("media", mark)] * n
        same = 0
        while same < min(len(entries) - 1, len(self.read)) and entries[same] == self.read[same]:
            same += 1
        if entries[same][0] == "media":  # a medium is in the cache as a whole or not at all
            while same > 0 and entries[same - 1][0] == "media":
                same -= 1
        self.forget(same)
        at = 0
        for part in parts:
            n = len(part[1]) if part[0] == "text" else part[2]
            if at + n > len(self.read):
                if part[0] == "text":
                    self.decode(part[1][len(self.read) - at:])
                else:
                    end = ll.llama_pos()
                    require(mt.mtmd_helper_eval_chunk_single(sense, self.context, part[1], len(self.read), 0, ll.llama_n_batch(self.context), False, ctypes.byref(end)) == 0, "reading the medium failed")
                    self.read += [("media", mark)] * n
            at += n
        mt.mtmd_input_chunks_free(chunks)


class Work:
    """The measurements."""

    def __init__(self, llama, folder):
        self.llama, self.folder = llama, pathlib.Path(folder)
        self.inputs = json.loads((self.folder / "inputs.json").read_text())
        self.scene = self.utterance = -1

    def run(self, name):
        kind, _, rest = name.partition("-")
        method = getattr(self, "do_" + kind, None)
        require(method, f"nothing is called {name}")
        return method(rest)

    def ids(self, n):
        return [2] + [(i * 769 + 500) % self.llama.words for i in range(1, n)]

    def do_prefill(self, n):
        self.llama.forget()
        ids = self.ids(int(n))
        start = time.perf_counter()
        self.llama.decode(ids)
        return time.perf_counter() - start, 0

    def do_decode(self, n):
        self.llama.forget()
        self.llama.decode(self.ids(64))
        start = time.perf_counter()
        for _ in range(int(n)):  # ours computes what follows the last token too
            self.llama.decode([self.llama.best()])
        return time.perf_counter() - start, int(n)

    def pixels(self):
        names = self.inputs["pictures"]
        return (self.folder / names[self.scene % len(names)]).read_bytes()

    def samples(self, seconds):
        files = [s["file"] for s in self.inputs["sounds"] if s["seconds"] == seconds]
        require(files, f"there is no sound of {seconds} s")
        return np.fromfile(self.folder / files[self.utterance % len(files)], np.float32)

    def do_vision(self, budget):
        self.scene += 1
        picture = self.llama.picture(self.pixels(), self.inputs["width"], self.inputs["height"])
        seconds, tokens = self.llama.encode(self.llama.sense(int(budget)), picture)
        mt.mtmd_bitmap_free(picture)
        return seconds, tokens

    def do_audio(self, seconds):
        samples = self.samples(int(seconds))
        sound = self.llama.sound(samples)
        took, tokens = self.llama.encode(self.llama.sense(self.inputs["image_tokens"]), sound)
        mt.mtmd_bitmap_free(sound)
        return took, tokens

    def do_frame(self, how):
        if how != "unchanged":
            self.scene += 1
        raw, sense = self.pixels(), self.llama.sense(self.inputs["image_tokens"])
        tokens = 0
        start = time.perf_counter()
        for words, n in ((self.inputs["caption"], self.inputs["caption_tokens"]), (self.inputs["detect"], self.inputs["detect_tokens"])):
            picture = self.llama.picture(raw, self.inputs["width"], self.inputs["height"])
            mark = hashlib.blake2b(raw, digest_size=16).digest()
            self.llama.ask(sense, f"<|turn>user\n{mt.mtmd_default_marker().decode()}{words}<turn|>\n<|turn>model\n", picture, mark)
            mt.mtmd_bitmap_free(picture)
            self.llama.write(n)
            tokens += n
        return time.perf_counter() - start, tokens

    def do_speech(self, _):
        self.utterance += 1
        samples = self.samples(3)
        start = time.perf_counter()
        sound = self.llama.sound(samples)
        text = f"<|turn>user\n{self.inputs['transcribe']}{mt.mtmd_default_marker().decode()}<turn|>\n<|turn>model\n"
        self.llama.ask(self.llama.sense(self.inputs["image_tokens"]), text, sound, ("sound", self.utterance))
        mt.mtmd_bitmap_free(sound)
        self.llama.write(self.inputs["transcript_tokens"])
        return time.perf_counter() - start, self.inputs["transcript_tokens"]


def memory():
    found = {}
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key in ("RssAnon", "RssFile"):
            found[key] = int(value.split()[0]) << 10
    return {"anonymous_bytes": found["RssAnon"], "file_bytes": found["RssFile"]}


@ll.llama_log_callback
def silent(_level, _text, _data):
    pass


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True)
    p.add_argument("--projector", default="")
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--context", type=int, default=4096)
    p.add_argument("--inputs", required=True)
    args = p.parse_args()
    ll.llama_log_set(silent, None)
    mt.mtmd_log_set(silent, None)
    mt.mtmd_helper_log_set(silent, None)
    work = Work(Llama(args), args.inputs)
    for line in sys.stdin:
        name = line.strip()
        reply = {"name": name}
        try:
            if name == "memory":
                reply["memory"] = memory()
            elif name == "about":
                reply["about"] = f"llama-cpp-python {ll.__version__}, {ll.llama_print_system_info().decode().strip()}"
            else:
                reply["seconds"], reply["answer_tokens"] = work.run(name)
        except Failure as e:
            reply["error"] = str(e)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
