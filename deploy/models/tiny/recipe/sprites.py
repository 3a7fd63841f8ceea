"""The things in the scenes: glyphs of Noto Color Emoji (SIL Open Font License) as cut-out pictures."""
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"  # Debian: fonts-noto-color-emoji
FONT_SIZE = 109  # the only size of this bitmap font
WIDEST = 180  # a sequence that the font draws as two glyphs is wider: left out

JOINER, FEMALE, MALE = "\u200d", "\u2640\ufe0f", "\u2642\ufe0f"
SKINS = ["", "\U0001F3FB", "\U0001F3FC", "\U0001F3FD", "\U0001F3FE", "\U0001F3FF"]
GLYPHS = {
    "person": [
        base + skin + (JOINER + gender if gender else "")
        for base in ("🚶", "🧍", "🏃")
        for skin in SKINS
        for gender in ("", FEMALE, MALE)
    ],
    "dog": ["🐕", "🦮", "🐩", "🐕\u200d🦺"],
    "cat": ["🐈", "🐈\u200d⬛"],
    "bird": ["🐦", "🦅", "🦆", "🦜", "🕊️"],
    "cow": ["🐄", "🐂", "🐃"],
    "car": ["🚗", "🚙", "🚕"],
    "truck": ["🚚", "🚛", "🛻"],
    "bus": ["🚌", "🚎"],
    "bicycle": ["🚲"],
    "package": ["📦"],
    "fire": ["🔥"],
    "tree": ["🌳", "🌲", "🌴"],
}


@lru_cache(maxsize=1)
def sprites() -> dict[str, list[np.ndarray]]:
    """RGBA pictures [height, width, 4] of each label, cropped to what is drawn."""
    font = ImageFont.truetype(FONT, FONT_SIZE)
    return {label: [cut for glyph in glyphs if (cut := _draw(glyph, font)) is not None] for label, glyphs in GLYPHS.items()}


def _draw(glyph: str, font: ImageFont.FreeTypeFont) -> np.ndarray | None:
    canvas = Image.new("RGBA", (400, 200), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((20, 20), glyph, font=font, embedded_color=True)
    bounds = canvas.getchannel("A").point(lambda alpha: 255 * (alpha > 40)).getbbox()
    if bounds is None or bounds[2] - bounds[0] > WIDEST:
        return None
    return np.asarray(canvas.crop(bounds))
