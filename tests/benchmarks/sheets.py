# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets of many objects, with captions for a reader and without for an observer who names them blind.

A blind sheet shows the same objects in a shuffled order under numbers only; its key is written beside it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PER_SHEET = 20
COLUMNS = 4
GAP = 6
CAPTION = 34
PAPER = (250, 250, 248)
INK = (30, 30, 34)


def over(pictures: np.ndarray, ground: float | Sequence[float] = 0.85) -> np.ndarray:
    """(B, H, W, 4) float RGBA in 0..1 over one plain colour: (B, H, W, 3) uint8."""
    alpha = pictures[..., 3:]
    mixed = pictures[..., :3] * alpha + np.asarray(ground, dtype=np.float32) * (1.0 - alpha)
    return (mixed.clip(0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def strip(pictures: np.ndarray, ground: float = 0.85) -> Image.Image:
    """The views of one object (B, H, W, 4) side by side."""
    return Image.fromarray(np.concatenate(list(over(pictures, ground)), axis=1))


def sheet(strips: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Strips of one size in `COLUMNS` columns, read along the rows, each with its caption below."""
    if not strips or len(strips) != len(captions):
        raise ValueError(f"{len(strips)} strips and {len(captions)} captions; there must be as many, and one at least")
    width, height = strips[0].size
    columns = min(COLUMNS, len(strips))
    rows = -(-len(strips) // columns)
    cell_width, cell_height = width + GAP, height + CAPTION
    page = Image.new("RGB", (columns * cell_width + GAP, rows * cell_height + GAP), PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(size=13)
    for index, (picture, caption) in enumerate(zip(strips, captions, strict=True)):
        left, top = GAP + index % columns * cell_width, GAP + index // columns * cell_height
        page.paste(picture, (left, top))
        lines = textwrap.wrap(caption, max(8, width // 7))[:2]
        draw.multiline_text((left + 2, top + height + 1), "\n".join(lines), fill=INK, font=font, spacing=1)
    return page


def write_sheets(folder: Path, strips: Sequence[Image.Image], captions: Sequence[str], seed: int = 0) -> list[Path]:
    """Writes `sheet-N.png` (captions), `blind-N.png` (numbers, shuffled) and `key-N.txt`, `PER_SHEET` objects each."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, start in enumerate(range(0, len(strips), PER_SHEET), start=1):
        part = range(start, min(start + PER_SHEET, len(strips)))
        order = np.random.default_rng((seed, number)).permutation(list(part)).tolist()
        named, blind = folder / f"sheet-{number}.png", folder / f"blind-{number}.png"
        sheet([strips[i] for i in part], [captions[i] for i in part]).save(named, optimize=True)
        sheet([strips[i] for i in order], [str(place) for place in range(1, len(order) + 1)]).save(blind, optimize=True)
        key = "".join(f"{place}\t{captions[i]}\n" for place, i in enumerate(order, start=1))
        (folder / f"key-{number}.txt").write_text(key, encoding="utf-8")
        written += [named, blind]
    return written
