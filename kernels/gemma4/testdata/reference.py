"""Makes a random model of Gemma 4's shape and records what the reference says about it.

    reference.py OUT [--shape mini|wide|deep] [--seed N]

writes OUT/text.gguf, OUT/mmproj.gguf (F16) and OUT/cases/ with golden.json, as `sensed verify` reads it.
testdata/mini is the output for --shape mini --seed 1.

PyPI: torch 2.15, transformers 5.23, gguf, numpy, pillow 13. TOKENIZER names a folder with a Gemma 4 tokenizer.json and tokenizer_config.json (that of the
demonstration model will do), LLAMA_CPP an unpacked llama.cpp, whose converter writes the GGUF files.
"""
import argparse, json, os, shutil, subprocess, sys, tempfile, wave
import numpy as np, torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import Gemma4Config, Gemma4ForConditionalGeneration
from transformers.models.gemma4 import modeling_gemma4 as G
from transformers.models.gemma4.configuration_gemma4 import Gemma4AudioConfig, Gemma4TextConfig, Gemma4VisionConfig
from transformers.models.gemma4.feature_extraction_gemma4 import Gemma4AudioFeatureExtractor
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

SHAPES = {
    # Small enough to be part of the project; odd widths, grouped keys in the vision tower, a standardised picture.
    'mini': dict(
        text=dict(hidden_size=48, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                  global_head_dim=32, hidden_size_per_layer_input=8, num_kv_shared_layers=2, use_double_wide_mlp=True, sliding_window=12,
                  layer_types=['sliding_attention', 'full_attention'] * 2),
        vision=dict(hidden_size=40, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
                    position_embedding_size=64, standardize=True),
        audio=dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, subsampling_conv_channels=[128, 4], output_proj_dims=24),
        images=[(160, 120, 70), (37, 90, 70)], seconds=[1.3, 0.31]),
    'wide': dict(
        text=dict(hidden_size=320, intermediate_size=448, num_hidden_layers=7, num_attention_heads=4, num_key_value_heads=1, head_dim=64,
                  global_head_dim=128, hidden_size_per_layer_input=48, num_kv_shared_layers=3, use_double_wide_mlp=True, sliding_window=64,
                  layer_types=['sliding_attention', 'sliding_attention', 'sliding_attention', 'full_attention', 'sliding_attention',
                               'sliding_attention', 'full_attention']),
        vision=dict(hidden_size=192, intermediate_size=320, num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=3, head_dim=32,
                    position_embedding_size=1024),
        audio=dict(hidden_size=192, num_hidden_layers=4, num_attention_heads=6, subsampling_conv_channels=[128, 24], output_proj_dims=160),
        images=[(640, 480, 70), (480, 640, 140), (1280, 720, 280), (300, 1000, 70), (1, 400, 70), (31, 17, 560)], seconds=[0.02, 2.5, 7.77, 30]),
    'deep': dict(
        text=dict(hidden_size=128, intermediate_size=256, num_hidden_layers=12, num_attention_heads=2, num_key_value_heads=2, head_dim=32,
                  global_head_dim=64, hidden_size_per_layer_input=32, num_kv_shared_layers=6, use_double_wide_mlp=False, sliding_window=8,
                  layer_types=['sliding_attention', 'sliding_attention', 'full_attention'] * 4),
        vision=dict(hidden_size=64, intermediate_size=96, num_hidden_layers=9, num_attention_heads=4, num_key_value_heads=1, head_dim=24,
                    position_embedding_size=2048, standardize=True),
        audio=dict(hidden_size=96, num_hidden_layers=8, num_attention_heads=3, subsampling_conv_channels=[128, 8], output_proj_dims=48,
                   conv_kernel_size=3),
        images=[(33, 49, 70), (200, 50, 140), (97, 803, 70), (1000, 10, 70)], seconds=[0.011, 0.5, 4.004]),
}
TEXTS = ['Describe', 'A dog and a cat in the snow. ' * 3, '<|turn>user\nDescribe this image in one short sentence.<turn|>\n<|turn>model\n']
TOKENS = ['Hello world', ' leading space', 'two  spaces   three', 'line\nbreak\n\n', 'naïve café 日本語 🙂', '<|turn>user\nhi<turn|>\n', '▁ literal', '']


def config(shape, tok):
    v = tok.get_vocab_size(); i = tok.token_to_id
    text = Gemma4TextConfig(vocab_size=v, vocab_size_per_layer_input=v, final_logit_softcapping=30.0, max_position_embeddings=4096, pad_token_id=0,
                            eos_token_id=1, bos_token_id=2, **shape['text'])
    return Gemma4Config(text_config=text, vision_config=Gemma4VisionConfig(use_clipped_linears=True, **shape['vision']),
                        audio_config=Gemma4AudioConfig(use_clipped_linears=True, **shape['audio']), boi_token_id=i('<|image>'), eoi_token_id=i('<image|>'),
                        image_token_id=i('<|image|>'), video_token_id=i('<|video|>'), boa_token_id=i('<|audio>'), eoa_token_index=i('<audio|>'),
                        audio_token_id=i('<|audio|>'))


def randomise(m):
    """Weights that keep every part of the model busy: no norm is one, and no logit drowns the others."""
    with torch.no_grad():
        for n, p in m.named_parameters():
            if n.endswith(('q_norm.weight', 'k_norm.weight')): p.normal_(p.numel() ** -0.25, 0.1)
            elif 'layer_scalar' in n: p.uniform_(0.7, 1.3)
            elif 'per_dim_scale' in n: p.normal_(0, 0.5)
            elif p.ndim == 1: p.normal_(1, 0.2)
            elif 'position_embedding_table' in n: p.normal_(0, 0.3)
            elif 'embed_tokens' in n: p.normal_(0, p.shape[1] ** -0.5)
            else: p.normal_(0, p[0].numel() ** -0.5)
        for n, b in m.named_buffers():
            if n.endswith('layer_scalar'): b.uniform_(0.7, 1.3)
            if n.endswith('std_bias'): b.normal_(0, 0.5)
            if n.endswith('std_scale'): b.uniform_(0.5, 1.5)
        for p in m.parameters(): p.copy_(p.half())      # what F16 can hold


def limit(m, run):
    """Bounds inside the range of what passes, different for each linear, so that they matter."""
    seen = {}; hooks = []
    for n, q in m.named_modules():
        if isinstance(q, G.Gemma4ClippableLinear):
            hooks.append(q.register_forward_hook(lambda q, i, o, n=n: seen.update({n: (i[0].abs().max().item(), o.abs().max().item())})))
    run()
    for h in hooks: h.remove()
    r = np.random.default_rng(5)
    for n, q in m.named_modules():
        if n in seen:
            for side, top in zip(('input', 'output'), seen[n]):
                getattr(q, side + '_min').fill_(float(np.float32(-top * r.uniform(0.5, 1.1)))); getattr(q, side + '_max').fill_(float(np.float32(top * r.uniform(0.5, 1.1))))


def picture(r, w, h, noise=0):
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    a = [127 + 120 * np.sin(x / r.uniform(3, 30) + y / r.uniform(3, 30) + c) + r.normal(0, noise, (h, w)) for c in range(3)]
    a = np.clip(np.stack(a, -1), 0, 255).astype(np.uint8)
    a[h // 3: h // 2, w // 4: w // 2] = r.integers(0, 256, 3)
    return Image.fromarray(a)


def sound(r, seconds):
    t = np.arange(int(seconds * 16000)) / 16000
    x = 0.3 * np.sin(2 * np.pi * (200 + 300 * t) * t) * (0.5 + 0.5 * np.sin(9 * t)) + r.normal(0, 0.02, t.shape)
    return np.round(np.clip(x, -1, 1) * 32767).astype(np.int16)


def main():
    a = argparse.ArgumentParser(); a.add_argument('out'); a.add_argument('--shape', default='mini', choices=SHAPES); a.add_argument('--seed', type=int, default=1)
    a = a.parse_args(); shape = SHAPES[a.shape]; cases = a.out + '/cases/'; os.makedirs(cases, exist_ok=True)
    tok = Tokenizer.from_file(os.environ['TOKENIZER'] + '/tokenizer.json'); r = np.random.default_rng(a.seed); torch.manual_seed(a.seed)
    m = Gemma4ForConditionalGeneration._from_config(config(shape, tok), attn_implementation='eager').float().eval(); randomise(m)
    images, sounds = Gemma4ImageProcessorPil(), Gemma4AudioFeatureExtractor()

    def see(im, budget):
        return images(im, max_soft_tokens=budget, return_tensors='pt')

    def hear(pcm):
        f = sounds([pcm.astype(np.float32) / 32768], sampling_rate=16000, return_tensors='pt')
        return dict(input_features=f['input_features'].float(), input_features_mask=f['input_features_mask'])

    def soft_image(f): return m.model.get_image_features(f['pixel_values'], f['image_position_ids'], return_dict=True).pooler_output[0]
    def soft_audio(f):
        o = m.model.get_audio_features(**f, return_dict=True); return o.pooler_output[o.attention_mask]

    with torch.no_grad():
        limit(m, lambda: (soft_image(see(picture(r, 200, 150), 70)), soft_audio(hear(sound(r, 1.5)))))
        g = dict(tokenize=[], text=[], image=[], audio=[], chat=[])
        save = lambda name, x: np.save(cases + name, np.ascontiguousarray(np.asarray(x, dtype=np.float32)))

        def greedy(ids, n=24, **media):
            out = m.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=n, min_new_tokens=n, do_sample=False,
                             eos_token_id=1, pad_token_id=0, **media)
            return out[0, len(ids):].tolist()

        for t in TOKENS:
            ids = tok.encode(t, add_special_tokens=False).ids
            g['tokenize'].append(dict(text=t, ids=ids, decoded=tok.decode(ids, skip_special_tokens=False)))
        for k, t in enumerate(TEXTS):
            ids = [2] + tok.encode(t, add_special_tokens=False).ids
            save(f'text{k}_logits.npy', m(torch.tensor([ids])).logits[0])
            g['text'].append(dict(text=t, ids=ids, logits_all=f'text{k}_logits.npy', greedy=greedy(ids)))

        def chat(kind, name, n, question, case, **media):
            i = tok.token_to_id; b = {'image': ('<|image>', '<|image|>', '<image|>'), 'audio': ('<|audio>', '<|audio|>', '<audio|>')}[kind]
            e = lambda s: tok.encode(s, add_special_tokens=False).ids
            ids = [2] + e('<|turn>user\n') + [i(b[0])] + [i(b[1])] * n + [i(b[2])] + e(question + '<turn|>\n<|turn>model\n')
            types = torch.tensor([[{i('<|image|>'): 1, i('<|audio|>'): 3}.get(x, 0) for x in ids]])
            save(f'chat_{name}.npy', m(torch.tensor([ids]), mm_token_type_ids=types, **media).logits[0, -1])
            g['chat'].append(dict(case, ids=ids, last_logits=f'chat_{name}.npy', greedy=greedy(ids, mm_token_type_ids=types, **media)))

        for k, (w, h, budget) in enumerate(shape['images']):
            im = picture(r, w, h, 0 if a.shape == 'mini' else 12); f = see(im, budget); name = f'img{k}'; im.save(cases + name + '.png')
            x = soft_image(f); pos = f['image_position_ids'][0]; pw, ph = int(pos[:, 0].max()) + 1, int(pos[:, 1].max()) + 1
            im.resize((16 * pw, 16 * ph), Image.BICUBIC).save(f'{cases}{name}_{budget}_resized.png', optimize=True); save(f'{name}_{budget}_emb.npy', x)
            g['image'].append(dict(file=name + '.png', budget=budget, patches_w=pw, patches_h=ph, soft_tokens=len(x), resized=f'{name}_{budget}_resized.png', embeddings=f'{name}_{budget}_emb.npy'))
            chat('image', f'{name}_{budget}', len(x), 'Describe this image.', dict(media=name + '.png', budget=budget), pixel_values=f['pixel_values'], image_position_ids=f['image_position_ids'])
        for k, s in enumerate(shape['seconds']):
            pcm = sound(r, s); f = hear(pcm); name = f'aud{k}'; x = soft_audio(f); n = int(f['input_features_mask'].sum())
            with wave.open(cases + name + '.wav', 'wb') as o: o.setnchannels(1); o.setsampwidth(2); o.setframerate(16000); o.writeframes(pcm.tobytes())
            save(name + '_mel.npy', f['input_features'][0, :n]); save(name + '_emb.npy', x)
            g['audio'].append(dict(file=name + '.wav', mel_frames=n, mel_padded=f['input_features'].shape[1], soft_tokens=len(x), mel=name + '_mel.npy', embeddings=name + '_emb.npy'))
            chat('audio', name, len(x), 'Transcribe this.', dict(media=name + '.wav'), **f)
        json.dump(g, open(cases + 'golden.json', 'w'), ensure_ascii=False, indent=1)

    with tempfile.TemporaryDirectory() as hf:
        m.config.architectures = ['Gemma4ForConditionalGeneration']; m.save_pretrained(hf)
        json.dump(dict(image_mean=[0.0] * 3, image_std=[1.0] * 3, patch_size=16), open(hf + '/preprocessor_config.json', 'w'))
        for f in ('tokenizer.json', 'tokenizer_config.json'): shutil.copy(os.environ['TOKENIZER'] + '/' + f, hf)
        for extra, name in (([], 'text.gguf'), (['--mmproj'], 'mmproj.gguf')):
            subprocess.run([sys.executable, os.environ['LLAMA_CPP'] + '/convert_hf_to_gguf.py', hf, '--outtype', 'f16', *extra, '--outfile', f'{a.out}/{name}'], check=True, stderr=subprocess.DEVNULL)


main()
