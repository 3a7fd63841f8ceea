"""Draws the sprites of this folder from Noto Color Emoji: python3 export.py (Debian: fonts-noto-color-emoji; PyPI: pillow)."""
from PIL import Image, ImageDraw, ImageFont

FONT = '/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf'
WOMAN, MAN = '\u200d\u2640\ufe0f', '\u200d\u2642\ufe0f'
LIGHT, MEDIUM, DARK = '\U0001F3FB', '\U0001F3FD', '\U0001F3FF'
GLYPHS = {
    'person': ['🚶' + LIGHT + MAN, '🚶' + DARK + WOMAN, '🧍' + MEDIUM + WOMAN, '🧍' + MAN, '🏃' + DARK + MAN, '🏃' + LIGHT + WOMAN],
    'dog': ['🐕', '🦮', '🐩'],
    'cat': ['🐈', '🐈\u200d⬛'],
    'bird': ['🐦', '🦆', '🦜'],
    'cow': ['🐄', '🐂'],
    'car': ['🚗', '🚙', '🚕'],
    'truck': ['🚚', '🛻'],
    'bus': ['🚌', '🚎'],
    'bicycle': ['🚲'],
    'package': ['📦'],
    'fire': ['🔥'],
    'tree': ['🌳', '🌲', '🌴'],
}
font = ImageFont.truetype(FONT, 109)  # the font's own size: glyphs are bitmaps about 128 pixels high
for label, glyphs in GLYPHS.items():
    for i, glyph in enumerate(glyphs):
        im = Image.new('RGBA', (400, 200), (0, 0, 0, 0))
        ImageDraw.Draw(im).text((20, 20), glyph, font=font, embedded_color=True)
        box = im.getchannel('A').point(lambda v: 255 * (v > 40)).getbbox()
        assert box and box[2] - box[0] <= 180, (label, i, box)
        im.crop(box).save(f'{label}-{i}.png', optimize=True)
