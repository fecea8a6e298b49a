# SPDX-License-Identifier: GPL-3.0-or-later
"""How well holes in textures are continued: the default against every single method, ours and OpenCV's.

    python tests/benchmarks/inpainting.py [--each 20] [--seed 2026] [--methods auto,statistics] [--out out/inpainting]

Procedural 64 x 64 textures of nine kinds that no method was tuned on (another seed), with strokes and boxes over 2 to
60 % of the area. PSNR is over the hole alone, as decibels of each picture, averaged; SSIM over the whole picture; times
are processor time of one thread. OpenCV's methods need opencv-contrib-python-headless and are left out without it. The
exit status is 1 when any method that ran beats the default in PSNR or SSIM.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity
from skimage.restoration import inpaint_biharmonic

from backend.inpainting import METHODS, inpainter_of
from backend.inpainting.base import Hole, Picture, composite
from protocol.errors import BadRequest
from tests.backend.inpainting.textures import KINDS, hole, texture

SIZE = 64
LEAST_ERROR = 1e-6  # mean square: 60 dB is as good as it gets


class Mean:
    """The known pixels' mean colour."""

    name = "mean colour"

    def fill(self, picture: Picture, hole: Hole, beside: Hole | None = None) -> Picture:
        return composite(picture, hole, np.broadcast_to(picture[~hole].mean(0), picture.shape))


class ScikitBiharmonic:
    """What one would otherwise take."""

    name = "scikit-image biharmonic"

    def fill(self, picture: Picture, hole: Hole, beside: Hole | None = None) -> Picture:
        plain = np.where(hole[..., None], 0, picture)
        return composite(picture, hole, inpaint_biharmonic(plain, hole, channel_axis=-1))


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=20, help="textures of each kind (default 20)")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--methods", default="", help="names separated by commas (default: all)")
    parser.add_argument("--out", type=Path, help="folder for a sheet of truth, hole and fills")
    return parser.parse_args(arguments)


def cases(each: int, seed: int) -> list[tuple[str, Picture, Hole]]:
    rng = np.random.default_rng(seed)
    return [(kind, texture(kind, SIZE, rng), hole(SIZE, rng)) for kind in KINDS for _ in range(each)]


def judged(method: Any, some: list[tuple[str, Picture, Hole]]) -> dict[str, Any]:
    """Mean and median PSNR, SSIM, milliseconds, and mean PSNR by kind."""
    psnr: dict[str, list[float]] = {}
    alike, began = [], time.process_time()
    fills = [method.fill(picture, gap) for _, picture, gap in some]
    spent = (time.process_time() - began) / len(some) * 1e3
    for (kind, picture, gap), filled in zip(some, fills, strict=True):
        error = max(float(((filled - picture)[gap].astype(np.float64) ** 2).mean()), LEAST_ERROR)
        psnr.setdefault(kind, []).append(-10 * np.log10(error))
        alike.append(structural_similarity(picture, filled, channel_axis=-1, data_range=1.0))
    whole = [one for kind in psnr.values() for one in kind]
    return {"mean": np.mean(whole), "median": np.median(whole), "ssim": np.mean(alike), "ms": spent,
            "kinds": {kind: np.mean(values) for kind, values in psnr.items()}, "fills": fills}


def methods(names: Sequence[str]) -> list[Any]:
    """Those asked for that can run here."""
    found: list[Any] = [one for one in (Mean(), ScikitBiharmonic()) if not names or one.name in names]
    for name in names or METHODS:
        if name in METHODS:
            try:
                found.append(inpainter_of(name))
            except BadRequest as problem:
                print(f"left out: {problem.message}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(arguments)
    some = cases(chosen.each, chosen.seed)
    print(f"| method | mean | median | SSIM | ms | {' | '.join(KINDS)} |")
    table = {}
    for method in methods([name for name in chosen.methods.split(",") if name]):
        row = table[method.name] = judged(method, some)
        kinds = " | ".join(f"{row['kinds'][kind]:.1f}" for kind in KINDS)
        print(f"| {method.name} | {row['mean']:.2f} | {row['median']:.2f} | {row['ssim']:.3f} | {row['ms']:.0f} | "
              f"{kinds} |", flush=True)
    if chosen.out is not None:
        chosen.out.mkdir(parents=True, exist_ok=True)
        rows = []
        for number in range(0, len(some), chosen.each):
            _, picture, gap = some[number]
            shown = np.where(gap[..., None], np.float32([1, 0, 1]), picture)
            rows.append(np.concatenate([picture, shown, *(row["fills"][number] for row in table.values())], 1))
        sheet = (np.concatenate(rows) * 255 + 0.5).astype(np.uint8)
        Image.fromarray(sheet).resize((sheet.shape[1] * 2, sheet.shape[0] * 2), 0).save(chosen.out / "fills.png")
    if "auto" not in table:
        return 0
    better = [name for name, row in table.items() if name != "auto"
              and (row["mean"] > table["auto"]["mean"] or row["ssim"] > table["auto"]["ssim"])]
    print(f"better than the default: {', '.join(better)}" if better else "the default is the best of them")
    return 1 if better else 0


if __name__ == "__main__":
    sys.exit(main())
