# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of several ways continues a picture best? They are tried where the picture's truth is known.

The hole is widened by a band, which shows how a way goes on just here, and is moved to other places nearby, which
shows how it does over the hole's whole width. Each way fills these, and the errors decide: where the surroundings are a
pattern, continuing it wins by far; where they are not, what is guessed of a pattern is farther off than smooth colours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt

from backend.inpainting.areas import Areas
from backend.inpainting.base import Hole, Inpainter, Picture, check
from backend.inpainting.biharmonic import Biharmonic, Harmonic
from backend.inpainting.exemplar import crisp
from backend.inpainting.pieces import by_pieces
from backend.inpainting.statistics import STEPS, Statistics

TRIALS = 5  # places that the hole is moved to
BAND = 0.35  # of the hole's radius, by which it is widened
LEAST_BAND = 3.0  # pixels
RING = 4  # pixels around a moved hole that should be known
LEAST_SHARE = 0.75  # of it, and of the hole itself, that must fall on known pixels
LEAST_LEFT = 0.4  # of the known pixels that a trial must leave
APART = 0.25  # of a moved hole that may be part of another
FARTHER = 0.1  # of the hole or its ring that may be missing for each diagonal of it that it is moved less
SHIFTS = 9  # places along each side at which a hole is tried
QUICK = (60,)  # conjugate gradient steps of a trial
LEAD = 1.0  # dB by which a way must be better than the smooth one
# The biharmonic one is far off wherever a border ends at the hole, which trials elsewhere may not show.
MORE_LEAD = {Biharmonic.name: 1.0}
UNSEEN = (1.5 / 255) ** 2  # squared error below which nobody sees a difference


class InPieces:
    """A method for small pictures made fit for pictures of any size. See `Inpainter`."""

    def __init__(self, name: str, fill: Callable[[Picture, Hole], Picture]):
        self.name = name
        self._fill = fill

    def fill(self, picture: Picture, hole: Hole, beside: Hole | None = None) -> Picture:
        return by_pieces(self._fill, picture, hole, check(picture, hole, beside))


def ways(steps: tuple[int, ...] = STEPS) -> dict[str, Inpainter]:
    """The ways by name; `steps` of the statistics, the only slow one."""

    def pattern(picture: Picture, hole: Hole) -> Picture:
        return crisp(Statistics(steps).fill(picture, hole), hole, hole)

    return {one.name: one for one in (Harmonic(), Biharmonic(), Areas(), InPieces("pattern", pattern))}


def best_way(picture: Picture, hole: Hole, beside: Hole, tell: Callable[[], None] = lambda: None) -> str:
    """Name of the way that does best around this hole: the smooth one where nothing can be tried.

    picture (H, W, C); hole and beside (H, W) as of `Inpainter.fill`. tell: called between the trials, may raise.
    """
    errors = errors_of(ways(QUICK), picture, hole, beside, tell)
    if not errors:
        return Harmonic.name
    # Each trial counts alike, however hard it is; what all ways can do tells nothing.
    telling = np.max(list(errors.values()), 0) > UNSEEN
    if not telling.any():
        return Harmonic.name
    scores = {name: -10 * float(np.log10(found[telling] + UNSEEN).mean()) - MORE_LEAD.get(name, 0.0)
              for name, found in errors.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > scores[Harmonic.name] + LEAD else Harmonic.name


def errors_of(
    some: Mapping[str, Inpainter], picture: Picture, hole: Hole, beside: Hole, tell: Callable[[], None] = lambda: None
) -> dict[str, NDArray[np.float64]]:
    """Mean squared errors of each way in all trials; empty where nothing can be tried."""
    trials = _trials(hole, beside)
    errors: dict[str, list[float]] = {name: [] for name in some} if trials else {}
    for trial in trials:
        for name, way in some.items():
            tell()
            # What is missing is missing in a trial as well.
            filled = way.fill(picture, trial | hole, beside)
            errors[name].append(float(((filled[trial] - picture[trial]).astype(np.float64) ** 2).mean()))
    return {name: np.array(found) for name, found in errors.items()}


def _trials(hole: Hole, beside: Hole) -> list[Hole]:
    """(H, W) each, known pixels to be guessed: a band around the hole, and the hole at up to TRIALS other places."""
    rows, columns = np.nonzero(hole)
    known = ~(hole | beside)
    if not len(rows) or not known.any():
        return []
    radius = float(distance_transform_edt(np.pad(hole, 1)).max())
    band = known & (distance_transform_edt(~hole) <= max(LEAST_BAND, BAND * radius))
    frame = np.pad(known, RING)
    shape = np.pad(hole[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1], RING)
    tall, wide = shape.shape
    found = []
    for turned in (shape, shape[::-1, ::-1]):
        ring = np.argwhere(binary_dilation(turned, iterations=RING) & ~turned)
        at = np.argwhere(turned)
        for top in np.unique(np.linspace(0, frame.shape[0] - tall, SHIFTS).astype(int)):
            for left in np.unique(np.linspace(0, frame.shape[1] - wide, SHIFTS).astype(int)):
                place = at + [top, left]
                place = place[frame[place[:, 0], place[:, 1]]] - RING
                around = frame[ring[:, 0] + top, ring[:, 1] + left].mean()
                if min(len(place) / len(at), around) < LEAST_SHARE:
                    continue
                away = np.hypot(top - rows.min(), left - columns.min()) / np.hypot(tall, wide)
                found.append((len(place) / len(at) + float(around) - FARTHER * away, place[:, 0], place[:, 1]))
    found.sort(key=lambda one: -one[0])
    chosen = [band] if 0 < band.sum() <= (1 - LEAST_LEFT) * known.sum() else []
    covered = np.zeros_like(hole)
    for _, r, c in found:
        if len(r) > (1 - LEAST_LEFT) * known.sum() or covered[r, c].mean() > APART:
            continue
        trial = np.zeros_like(hole)
        trial[r, c] = True
        covered |= trial
        chosen.append(trial)
        if len(chosen) > TRIALS:
            break
    return chosen
