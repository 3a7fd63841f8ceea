"""Writes the logits of llama.cpp after each token of a text: llama_logits.py MODEL OUT ID..., float32 [T][vocabulary]."""
import sys

import numpy as np
from llama_cpp import Llama

model, out, ids = sys.argv[1], sys.argv[2], [int(i) for i in sys.argv[3:]]
llama = Llama(model, n_ctx=len(ids) + 8, n_threads=2, logits_all=True, verbose=False)
llama.eval(ids)
np.asarray(llama.scores[:len(ids)], np.float32).tofile(out)
