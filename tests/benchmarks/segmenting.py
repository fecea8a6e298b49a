# SPDX-License-Identifier: GPL-3.0-or-later
"""How well clicks segment: IoU after 1, 2 and 3 clicks on held-out renders of the product's own procedural objects.

    python tests/benchmarks/segmenting.py [--scenes 30] [--size 256] [--segmenter FOLDER] [--out out/segmenting]

Three kinds of scene: a thing alone before grey, before a wall and a floor with noise, and among three things that
partly hide each other. The first click falls on the deepest place of what is meant, each further one on the deepest
place of the largest error, as people click (Xu et al. 2016); where no error is deeper than THINNEST pixels nobody would
click, and the mask stays. The truth is the tracer's own coverage.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, Python knows only this file's folder

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter, label

from backend.embedded.objects import render, sample, shade
from backend.segmentation.base import Segmenter, read_clicks
from backend.segmentation.choice import segmenter_of

KINDS = ("alone", "wall", "crowd")
CLICKS = 3
THINNEST = 2.0  # pixels


@dataclass(frozen=True, eq=False)
class Scene:
    """picture (S, S, 3) uint8 and the truth (S, S) bool of what is meant."""

    kind: str
    picture: NDArray[np.uint8]
    truth: NDArray[np.bool_]


def scene(kind: str, size: int, seed: int) -> Scene:
    """A scene of held-out things. Deterministic in its arguments."""
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    count = 3 if kind == "crowd" else 1
    things = [sample(rng, "held_out") for _ in range(count)]
    azimuth, elevation = rng.uniform(-np.pi, np.pi, count), rng.uniform(-0.2, 0.7, count)
    albedo, normal = render(things, azimuth, elevation, rng.uniform(0.9, 1.3, count), size, device="cpu")
    light = torch.from_numpy(rng.normal(size=(count, 3)) + np.array([0, 0.6, 1.2]))
    lit = shade(albedo, normal, torch.nn.functional.normalize(light, dim=-1)).numpy()
    picture = np.full((size, size, 3), 0.5) if kind == "alone" else _wall(rng, size)
    meant = int(rng.integers(count))
    truth = np.zeros((size, size), bool)
    shifts = [0] if count == 1 else [-size // 4, size // 4, 0]
    for number in range(count):
        layer = np.roll(lit[number], (size // 8 if number == 2 else 0, shifts[number]), (0, 1))
        if shifts[number] < 0:
            layer[:, shifts[number] :] = 0
        elif shifts[number] > 0:
            layer[:, : shifts[number]] = 0
        if number == 2:
            layer[: size // 8] = 0
        picture = picture * (1 - layer[..., 3:]) + layer[..., :3] * layer[..., 3:]
        truth = (layer[..., 3] > 0.5) if number == meant else truth & ~(layer[..., 3] > 0.5)
    return Scene(kind, np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8), truth)


def _wall(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """A wall above a floor, each a colour with a gradient and soft noise."""
    horizon = int(size * rng.uniform(0.45, 0.75))
    rows = np.linspace(0, 1, size)[:, None, None]
    wall, floor = rng.uniform(0.15, 0.9, (2, 1, 1, 3))
    ground = np.where(np.arange(size)[:, None, None] < horizon, wall, floor) * (1 - 0.25 * rows)
    noise = gaussian_filter(rng.normal(size=(size, size)), size / 60)
    return np.clip(ground + 0.03 * (noise / noise.std())[..., None] + np.zeros((1, size, 1)), 0, 1)


def deepest(mask: NDArray[np.bool_]) -> tuple[int, int, float]:
    """(x, y, how deep) of the place farthest from the mask's border, in its largest piece."""
    parts, count = label(mask)
    if count > 1:
        mask = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    away = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(away.argmax()), away.shape)
    return int(column), int(row), float(away[row, column])


def overlap(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((one & two).sum() / max(int((one | two).sum()), 1))


def click_by_click(one: Scene, segmenter: Segmenter, clicks: int = CLICKS) -> tuple[list[float], list[float], list]:
    """(IoU, seconds, masks) after each click."""
    rows: list[tuple[float, float, float]] = []
    scores, seconds, masks = [], [], []
    found = np.zeros_like(one.truth)
    for _ in range(clicks):
        missing, extra = one.truth & ~found, found & ~one.truth
        wrong = missing if missing.sum() >= extra.sum() or not rows else extra
        x, y, depth = deepest(wrong)
        if rows and depth < THINNEST:
            scores.append(scores[-1])
            masks.append(found)
            continue
        rows.append((x + 0.5, y + 0.5, float(wrong is missing)))
        began = time.perf_counter()
        height, width = one.truth.shape
        found = segmenter.segment(one.picture, read_clicks(np.array(rows, np.float32), width, height))
        seconds.append(time.perf_counter() - began)
        scores.append(overlap(found, one.truth))
        masks.append(found)
    return scores, seconds, masks


def sheet(one: Scene, masks: list) -> NDArray[np.uint8]:
    """The picture, the masks over it, and the truth, side by side."""
    def over(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
        tint = one.picture * 0.45
        tint[mask] = one.picture[mask] * 0.75 + np.array([0, 64, 0])
        return np.clip(tint, 0, 255).astype(np.uint8)

    return np.concatenate([one.picture, *(over(mask) for mask in masks), over(one.truth)], 1)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=30, help="of each kind (default 30)")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--first", type=int, default=1000, help="seed of the first scene")
    parser.add_argument("--segmenter", default="", help="folder of a SAM, empty for the embedded one")
    parser.add_argument("--out", type=Path, help="folder for pictures")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    segmenter = segmenter_of(chosen.segmenter, torch.device("cpu"))
    report: dict[str, object] = {"segmenter": segmenter.name, "scenes": chosen.scenes, "size": chosen.size}
    for kind in KINDS:
        scores, seconds, sheets = [], [], []
        for seed in range(chosen.first, chosen.first + chosen.scenes):
            one = scene(kind, chosen.size, seed)
            if one.truth.sum() < 100:
                continue
            found, took, masks = click_by_click(one, segmenter)
            scores.append(found)
            seconds += took
            sheets.append(sheet(one, masks))
        mean, median = np.mean(scores, 0), np.median(scores, 0)
        report[kind] = {"mean_iou": mean.round(3).tolist(), "median_iou": median.round(3).tolist(),
                        "seconds": round(float(np.mean(seconds)), 3)}
        if chosen.out is not None:
            chosen.out.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.concatenate(sheets[:8], 0)).save(chosen.out / f"{kind}.png", optimize=True)
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
