# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion for words that no list knows, as AvatarCLIP makes it: key poses found for the words, and a motion by them.

Poses come from a codebook of our own generators. An image-text model, where there is one, says which of them look like
the words, by the change against standing (AvatarCLIP's trick); without one the words of what each pose was taken from
do. The motion goes through the poses by interpolation, or, where asked for, by a search in the autoencoder's latent.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from backend.motion.clean import found_contacts, lifted, looped, pinned, planted
from backend.motion.features import FPS, FRAMES, WIDTH, features, take_of
from backend.motion.figure import Figure
from backend.motion.gestures import Scene
from backend.motion.index import Encode, Index
from backend.motion.manner import NEUTRAL
from backend.motion.sketch import FRONT, SIDE, sheet
from backend.motion.stance import solve
from backend.motion.take import Take, resample
from backend.motion.turns import Array, angle_of, from_six, transpose
from backend.motion.words import parse
from protocol.errors import PriorNotFound

WEIGHTS = Path(__file__).parent / "weights" / "motion.safetensors"
KEYS = 5  # [AvatarCLIP] K
ALIKE = 0.07  # [AvatarCLIP] radians of mean difference, below which two poses are one
LOOKED_AT = 192  # poses that an image-text model is shown, the best by words first
SEEN = "a rendered 3d man is {}"  # [AvatarCLIP]
STANDING = "a rendered 3d man is standing"
AT = (0, 14, 29, 44, 59)  # [AvatarCLIP] frames of the keys among 60


class Eyes(Protocol):
    """An image-text model: unit vectors of texts, and of pictures (N, 3, H, W) in 0..1."""

    def of_texts(self, texts: Sequence[str]) -> Any: ...

    def of_pictures(self, pictures: Any) -> Any: ...


@dataclass(frozen=True, eq=False)
class Poses:
    """rotations (N, 132) as of `features`; sources: the generator that each was taken from."""

    rotations: NDArray[np.float32]
    sources: tuple[str, ...]


@lru_cache(maxsize=2)
def shipped(path: Path = WEIGHTS) -> Poses:
    """The codebook. Raises PriorNotFound where the file is missing."""
    from safetensors import safe_open

    if not path.is_file():
        raise PriorNotFound("The codebook of poses is not here.",
                            hint="Make it: python -m backend.motion.training --out backend/motion/weights")
    with safe_open(path, "np") as file:
        names = json.loads((file.metadata() or {}).get("poses_of", "[]"))
        return Poses(file.get_tensor("poses").astype(np.float32), tuple(names))


def chosen(text: str, poses: Poses, figure: Figure, eyes: Eyes | None = None, encode: Encode | None = None,
           count: int = KEYS) -> NDArray[np.float32]:
    """(count, 132): poses that fit the words, best first, no two alike."""
    score = _by_words(text, poses, encode)
    order = np.argsort(-score, kind="stable")
    if eyes is not None:
        best = _spread(order, LOOKED_AT)
        order = best[np.argsort(-_by_sight(text, poses.rotations[best], figure, eyes), kind="stable")]
    kept: list[int] = []
    turns = from_six(poses.rotations.astype(np.float64).reshape(-1, 22, 6))
    for place in order:
        if all(angle_of(transpose(turns[place]) @ turns[other]).mean() >= ALIKE for other in kept):
            kept.append(int(place))
        if len(kept) == count:
            break
    return poses.rotations[kept]


def _by_words(text: str, poses: Poses, encode: Encode | None) -> Array:
    """(N,) how well what each pose was taken from fits; among the poses of one source those farthest from standing."""
    index = Index()
    part = parse(text)[0]
    if part.concepts or encode is None:
        by_entry = dict(zip((entry.name for entry in index.entries), index.scores(part), strict=True))
    else:
        vectors = encode([text, *(entry.caption for entry in index.entries)])
        by_entry = dict(zip((entry.name for entry in index.entries), 4.0 * vectors[1:] @ vectors[0], strict=True))
    source = np.array([by_entry.get(name, -9.0) for name in poses.sources])
    turns = from_six(poses.rotations.astype(np.float64).reshape(-1, 22, 6))
    return np.asarray(source + 0.5 * angle_of(turns[:, 1:]).mean(1))


def _spread(order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Half of them the best by words, the other half from everywhere, so that what words miss can be seen."""
    first = order[: count // 2]
    rest = order[count // 2 :]
    return np.concatenate([first, rest[:: max(1, len(rest) // (count - len(first)))]])[:count]


def _by_sight(text: str, rotations: NDArray[np.float32], figure: Figure, eyes: Eyes) -> Array:
    """(N,): cosine between the change of the picture and the change of the words, both against standing."""
    import torch

    flat = np.zeros((1, WIDTH), np.float32)
    flat[0, :132] = features(figure, solve(Scene(figure, FPS, 0.2, False, NEUTRAL)))[0, :132]
    pictures = []
    for one in (flat[0, :132], *rotations):
        numbers = np.zeros((2, WIDTH), np.float32)
        numbers[:, :132] = one
        take = settled(figure, take_of(figure, numbers))
        pictures.append(np.concatenate([sheet(figure, take, 1, 112, (view,)) for view in (SIDE, FRONT)], 1))
    tensor = torch.tensor(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255.0
    seen = eyes.of_pictures(tensor)
    said = eyes.of_texts([STANDING, SEEN.format(text)])
    change = torch.nn.functional.normalize(seen[1:] - seen[:1], dim=-1)
    wanted = torch.nn.functional.normalize(said[1] - said[0], dim=-1)
    return np.asarray((change @ wanted).double().numpy())


def ordered(poses: NDArray[np.float32]) -> NDArray[np.float32]:
    """The poses along their shortest path, the best of them not last."""
    turns = from_six(poses.astype(np.float64).reshape(-1, 22, 6))
    apart = angle_of(transpose(turns[:, None]) @ turns[None]).mean(-1)
    paths = [one for one in itertools.permutations(range(len(poses))) if one[-1] != 0]
    best = min(paths, key=lambda path: float(sum(apart[a, b] for a, b in itertools.pairwise(path))))
    return poses[list(best)]


def by_keys(poses: NDArray[np.float32], frames: int = FRAMES) -> NDArray[np.float32]:
    """(frames, 136): poses at even times, in between along smooth curves without overshoot."""
    at = np.linspace(0, frames - 1, len(poses))
    numbers = np.zeros((frames, WIDTH), np.float32)
    numbers[:, :132] = PchipInterpolator(at, poses)(np.arange(frames))
    return numbers


def settled(figure: Figure, take: Take) -> Take:
    """Set on the floor: the lower foot of each frame stands, at the height that it has when the figure stands."""
    heads, tips = figure.positions(take.turns, take.root)
    lowest = np.minimum(heads[:, [16, 17, 20, 21], 2].min(1), tips[:, [17, 21], 2].min(1))
    rest = min(float(figure.heads[[16, 17, 20, 21], 2].min()), float(figure.tips[[17, 21], 2].min()))
    root = take.root.copy()
    root[:, 2] += rest - lowest
    return replace(take, root=root)


def perform(
    text: str, figure: Figure, fps: float, frames: int, loop: bool, seed: int, *, latent: bool = False,
    eyes: Eyes | None = None, encode: Encode | None = None, check: Callable[[], None] = lambda: None,
) -> Take:
    """A motion for words, on a figure. latent: by the autoencoder instead of by interpolation. Raises PriorNotFound."""
    poses = ordered(chosen(text, shipped(), figure, eyes, encode))
    if latent:
        from backend.motion.autoencoder import load, through

        numbers, _ = through(load(), poses, seed, check=check)
    else:
        stand = features(figure, solve(Scene(figure, FPS, 0.2, False, NEUTRAL)))[:1, :132]
        numbers = by_keys(np.concatenate([stand, poses, stand]))
    numbers[:, 132:] = 0.0
    take = settled(figure, take_of(figure, numbers))
    take = pinned(figure, take)
    take = lifted(figure, replace(take, contacts=found_contacts(figure, take)))
    if loop:
        take = looped(figure, take)
    take = planted(figure, take)
    return resample(take, fps, frames=frames) if frames else resample(take, fps)

