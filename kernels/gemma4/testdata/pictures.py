"""Writes testdata/pictures: small pictures of every kind, NAME.png or NAME.jpg, with what Pillow's convert('RGB') makes of each in
NAME.rgb.png; and prints the tables of resize_test.go. PyPI: pillow 13, numpy, transformers 5.23 (for the sizes).

A grey picture of 16 bits is not among them: Pillow cuts it off at 255, which leaves it white; we keep the upper byte.
"""
import os, sys, zlib, numpy as np
from PIL import Image
OUT = os.path.dirname(os.path.abspath(__file__)) + '/pictures/'; os.makedirs(OUT, exist_ok=True)
y, x = np.mgrid[0:47, 0:61]
wave = [(127 + 127 * np.sin(x / (5 + 3 * c) + y / (9 - 2 * c))).astype(np.uint8) for c in range(4)]
rgb, rgba = np.stack(wave[:3], -1), np.stack(wave, -1)
im = Image.fromarray(rgb)


def keep(name, picture=None, **options):
    if picture is not None: picture.save(OUT + name, **options)
    Image.open(OUT + name).convert('RGB').save(OUT + name.rsplit('.', 1)[0] + '.rgb.png', optimize=True)


def png16(name, a):                            # Pillow does not write 16-bit colour
    import struct
    h, w, c = a.shape; raw = b''.join(b'\0' + row.astype('>u2').tobytes() for row in a)
    chunk = lambda t, d: struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
    open(OUT + name, 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, 16, {3: 2, 4: 6}[c], 0, 0, 0)) + chunk(b'IDAT', zlib.compress(raw, 9)) + chunk(b'IEND', b''))
    keep(name)


keep('rgb.png', im); keep('rgba.png', Image.fromarray(rgba)); keep('gray.png', im.convert('L')); keep('grayalpha.png', Image.fromarray(rgba).convert('LA'))
keep('palette.png', im.quantize(40)); keep('bits.png', im.convert('1'))
p = im.quantize(20); keep('clearpalette.png', p, transparency=bytes(range(0, 200, 10)))
png16('rgb16.png', rgb.astype(np.uint16) * 257 - 100 * (rgb > 0)); png16('rgba16.png', rgba.astype(np.uint16) * 257)
keep('gray.jpg'.replace('gray', 'grayjpeg'), im.convert('L'), quality=90); keep('cmyk.jpg', im.convert('CMYK'), quality=95)
for name, s in (('444', 0), ('422', 1), ('420', 2)): keep(f'jpeg{name}.jpg', im, quality=92, subsampling=s)


def noise(w, h):
    i = np.arange(w * h * 3, dtype=np.uint64); m = np.uint64(0xffffffff)
    v = (i * np.uint64(2654435761) + np.uint64(12345)) & m; v ^= v >> np.uint64(15); v = (v * np.uint64(2246822519)) & m; v ^= v >> np.uint64(13)
    return Image.fromarray((v & np.uint64(255)).astype(np.uint8).reshape(h, w, 3))


for w, h, ow, oh in [(640, 480, 432, 336), (640, 480, 912, 672), (1, 1, 48, 48), (1, 7, 48, 96), (7, 1, 336, 48), (3000, 1, 13440, 48), (1, 3000, 48, 3360),
                     (96, 300, 192, 672), (300, 96, 288, 96), (31, 17, 48, 48), (1000, 333, 672, 192), (1000, 333, 1000, 192), (1000, 333, 672, 333),
                     (49, 47, 48, 48), (432, 336, 432, 336), (2, 2, 3, 5), (1920, 1080, 672, 384), (5, 5000, 48, 3360), (300, 1000, 192, 720),
                     (100, 80, 90, 59), (100, 80, 90, 60)]:
    print('{%d, %d, %d, %d, 0x%08x},' % (w, h, ow, oh, zlib.crc32(np.asarray(noise(w, h).resize((ow, oh), Image.BICUBIC)).tobytes())))
if len(sys.argv) > 1: sys.exit()
from transformers.models.gemma4.image_processing_pil_gemma4 import get_aspect_ratio_preserving_size as size
for w, h in [(640, 480), (480, 640), (1920, 1080), (1, 1), (30000, 1), (1, 30000), (47, 49), (1000, 7), (7, 1000), (4056, 3040), (100, 10000), (335, 2)]:
    for b in (70, 140, 280, 560, 1120):
        oh, ow = size(h, w, 16, b * 9, 3); print('{%d, %d, %d, %d, %d},' % (w, h, b, ow, oh))
