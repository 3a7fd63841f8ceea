"""Makes a small drafter for the random model in testdata/mini and records what the reference drafts with it.

    drafter.py MINI OUT

reads MINI/text.gguf and writes OUT/drafter.gguf (F16), OUT/golden.json and OUT/logits.npy. testdata/drafter is the output for testdata/mini.

The drafter is a Gemma4AssistantForCausalLM. It is fitted for a minute to what the model writes after all prompts but the first, so that some drafts
are right and some are wrong. Each case of golden.json is a state of the model (the tokens read), the token that follows, and the n tokens that
transformers' candidate generator drafts from there, how many of which are right. logits.npy holds the drafter's logits at the first steps of
the first drafts. Each text under assisted is what the model writes, with the drafter and without.

PyPI: torch 2.15, transformers 5.24, gguf, numpy. (5.23, which made MINI, cannot build a drafter: it refuses a model all of whose layers share.) TOKENIZER names a folder with the tokenizer.json and tokenizer_config.json of MINI's model,
LLAMA_CPP an unpacked llama.cpp, whose converter writes the GGUF file.
"""
import json, os, shutil, subprocess, sys, tempfile
import gguf, numpy as np, torch, transformers
from transformers import Gemma4AssistantConfig, Gemma4AssistantForCausalLM, Gemma4ForCausalLM, Gemma4TextConfig, GenerationConfig
from transformers.generation.candidate_generator import SinglePositionMultiTokenCandidateGenerator

DRAFTED = 5     # tokens a draft
WRITTEN = 40    # tokens after each prompt


def target(path):
    """The text model of a GGUF file, in float32."""
    r = gguf.GGUFReader(path); key = lambda k: r.fields['gemma4.' + k].contents()
    layers, shared, ffn = key('block_count'), key('attention.shared_kv_layers'), key('feed_forward_length')
    kinds = ['sliding_attention' if s else 'full_attention' for s in key('attention.sliding_window_pattern')]
    tensors = {t.name: torch.from_numpy(np.array(t.data, dtype=np.float32)) for t in r.tensors}
    vocab = tensors['token_embd.weight'].shape[0]
    c = Gemma4TextConfig(vocab_size=vocab, vocab_size_per_layer_input=vocab, hidden_size=key('embedding_length'), intermediate_size=ffn[0],
                         num_hidden_layers=layers, num_attention_heads=key('attention.head_count'), num_key_value_heads=key('attention.head_count_kv'),
                         head_dim=key('attention.key_length_swa'), global_head_dim=key('attention.key_length'), num_kv_shared_layers=shared,
                         hidden_size_per_layer_input=key('embedding_length_per_layer_input'), use_double_wide_mlp=ffn[-1] == 2 * ffn[0],
                         sliding_window=key('attention.sliding_window'), layer_types=kinds, final_logit_softcapping=key('final_logit_softcapping'),
                         max_position_embeddings=key('context_length'), pad_token_id=0, eos_token_id=1, bos_token_id=2)
    m = Gemma4ForCausalLM._from_config(c, attn_implementation='eager').float().eval()
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GEMMA4, layers); missing = []
    with torch.no_grad():
        for n, p in list(m.named_parameters()) + [b for b in m.named_buffers() if b[0].endswith('layer_scalar')]:
            g = names.get_name(n if n.endswith('.weight') else n + '.weight', try_suffixes=('.weight',))
            if g in tensors: p.copy_(tensors[g].reshape(p.shape))
            else: missing.append(n)
    assert all('k_proj' in n or 'v_proj' in n or 'k_norm' in n for n in missing), missing   # sharing layers have none
    return m


def assistant(t):
    """A random drafter for a model of config t."""
    dim = {k: t.per_layer_config[i].head_dim for i, k in enumerate(t.layer_types)}
    text = Gemma4TextConfig(vocab_size=t.vocab_size, vocab_size_per_layer_input=0, hidden_size=32, intermediate_size=56, num_hidden_layers=4,
                            num_attention_heads=4, num_key_value_heads=t.num_key_value_heads, head_dim=dim['sliding_attention'], global_head_dim=dim['full_attention'],
                            hidden_size_per_layer_input=0, num_kv_shared_layers=4, use_double_wide_mlp=False, sliding_window=t.sliding_window,
                            layer_types=['sliding_attention'] * 3 + ['full_attention'], max_position_embeddings=t.max_position_embeddings,
                            pad_token_id=0, eos_token_id=1, bos_token_id=2)
    m = Gemma4AssistantForCausalLM._from_config(Gemma4AssistantConfig(text_config=text, backbone_hidden_size=t.hidden_size), attn_implementation='eager').float().eval()
    with torch.no_grad():
        for n, p in m.named_parameters():
            if n.endswith('q_norm.weight'): p.normal_(p.numel() ** -0.25, 0.1)
            elif p.ndim == 1: p.normal_(1, 0.2)
            else: p.normal_(0, p[0].numel() ** -0.5)
        for n, b in m.named_buffers():
            if n.endswith('layer_scalar'): b.uniform_(0.7, 1.3)
    return m


def state(m, ids):
    return m(torch.tensor([ids]), output_hidden_states=True, return_shared_kv_states=True, use_cache=False)


def fit(m, a, texts, epochs=40):
    """Teaches the drafter a to continue the texts as the model m does, DRAFTED tokens at a time."""
    a.requires_grad_(True); o = torch.optim.Adam(a.parameters(), 4e-3); embed = m.get_input_embeddings()
    for e in range(epochs):
        total = 0
        for ids, start in texts:
            with torch.no_grad(): s = state(m, ids)
            loss = 0
            for n in range(start, len(ids) - DRAFTED):     # n tokens are read, ids[n] follows
                kv = {k: (x[:, :, :n], y[:, :, :n]) for k, (x, y) in s.shared_kv_states.items()}; h = s.hidden_states[-1][:, n - 1:n]
                for i in range(DRAFTED):
                    x = torch.cat([embed(torch.tensor([[ids[n + i]]])), h], dim=-1)
                    out = a(inputs_embeds=x, position_ids=torch.tensor([[n]]), shared_kv_states=kv, use_cache=False); h = out.last_hidden_state
                    loss = loss + torch.nn.functional.cross_entropy(out.logits[0], torch.tensor([ids[n + i + 1]]))
            o.zero_grad(); loss.backward(); o.step(); total += loss.item()
        if e % 10 == 9: print('epoch', e + 1, 'loss', total, file=sys.stderr)
    a.requires_grad_(False)
    for p in a.parameters(): p.copy_(p.half())      # what F16 can hold
    for n, b in a.named_buffers():
        if n.endswith('layer_scalar'): b.copy_(b.half())


def draft(m, a, ids, last):
    """What the reference drafts when the model has read ids and last follows."""
    c = GenerationConfig(max_length=4096); a.generation_config.num_assistant_tokens = DRAFTED
    g = SinglePositionMultiTokenCandidateGenerator(a, m.get_input_embeddings(), c)
    out, logits = g.get_candidates(torch.tensor([ids + [last]]), {}, state(m, ids), is_first_iteration=False, n_last_matches=0)
    return out[0, len(ids) + 1:].tolist(), logits[0].numpy()


def main():
    mini, out = sys.argv[1:]; os.makedirs(out, exist_ok=True); torch.manual_seed(3); torch.set_num_threads(1)
    m = target(mini + '/text.gguf'); a = assistant(m.config)
    golden = json.load(open(mini + '/cases/golden.json'))
    with torch.no_grad():
        for c in golden['text']:      # it must be the model of the other golden cases
            got = m(torch.tensor([c['ids']])).logits[0].numpy(); want = np.load(f"{mini}/cases/{c['logits_all']}"); assert abs(got - want).max() < 1e-3

        def write(ids):
            x = m.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=WRITTEN, min_new_tokens=WRITTEN, do_sample=False, eos_token_id=1, pad_token_id=0)
            return x[0].tolist(), len(ids)
        texts = [write(c['ids']) for c in golden['text']]
    fit(m, a, texts[1:])
    cases, logits = [], []
    with torch.no_grad():
        for ids, start in texts:
            for n in sorted({1, 2, 9, 13, 14, 15, start, start + 3, start + 7, start + 16, len(ids) - DRAFTED - 1}):
                tokens, l = draft(m, a, ids[:n], ids[n])
                cases.append(dict(ids=ids[:n], last=ids[n], drafted=tokens, right=int(np.cumprod([x == y for x, y in zip(tokens, ids[n + 1:])]).sum())))
                if len(logits) < 8: cases[-1]['logits'] = 1 if n < 3 else 2; logits.append(l[:cases[-1]['logits']])
        assisted = []
        for ids, start in texts:
            prompt = torch.tensor([ids[:start]]); a.generation_config.num_assistant_tokens = DRAFTED; a.generation_config.num_assistant_tokens_schedule = 'constant'
            x = m.generate(prompt, attention_mask=torch.ones_like(prompt), assistant_model=a, max_new_tokens=WRITTEN, min_new_tokens=WRITTEN, do_sample=False, eos_token_id=1, pad_token_id=0)
            assert x[0].tolist() == ids, 'assisted generation differs from plain generation'
            assisted.append(dict(prompt=ids[:start], written=ids[start:]))
    logits = np.concatenate(logits).astype(np.float32); np.save(out + '/logits.npy', logits)
    json.dump(dict(reference=f'transformers {transformers.__version__}, Gemma4AssistantForCausalLM, float32, eager attention', drafts=cases, assisted=assisted), open(out + '/golden.json', 'w'))
    print('right', [c['right'] for c in cases], 'logits', logits.shape, file=sys.stderr)

    with tempfile.TemporaryDirectory() as folder:
        hf = folder + '/drafter'    # the converter names the model after it
        a.config.architectures = ['Gemma4AssistantForCausalLM']; a.save_pretrained(hf)
        for f in ('tokenizer.json', 'tokenizer_config.json'): shutil.copy(os.environ['TOKENIZER'] + '/' + f, hf)
        subprocess.run([sys.executable, os.environ['LLAMA_CPP'] + '/convert_hf_to_gguf.py', hf, '--outtype', 'f16', '--outfile', out + '/drafter.gguf'], check=True, stderr=subprocess.DEVNULL)


main()
