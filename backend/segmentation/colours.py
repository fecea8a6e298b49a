# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded segmenter: colours and edges, no network (random walker with colour models).

What is meant is found in rounds. Colour models of inside and outside are histograms in CIE Lab, learnt around the
clicks and the picture's frame at first and from the last round's answer afterwards; a random walker with these models
as priors (Grady 2005) spreads them up to the edges; and only what hangs together with a click inside stays. The frame
counts as outside, but gives way to clicks: where it looks like what was clicked it says nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, gaussian_filter, label
from scipy.sparse import coo_matrix, diags
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import cg
from skimage.color import rgb2lab
from skimage.transform import resize

from backend.segmentation.base import Clicks, Mask, Picture

Floats = NDArray[np.float64]

SIDE = 160  # pixels along the longer side that it works at
ROUNDS = 4
BINS = (10, 14, 14)  # of lightness, a and b
SPREAD = 0.9  # of a histogram, in bins
TRUST = 0.02  # weight of the colour models beside the edges
AROUND = 0.03  # radius of a click, as a share of the longer side
LIKE = 16.0  # in Lab: what is further from the colour that was clicked is not what the click means
RIVALS = 0.5  # weight of the nearer click beside the colour models, once something was clicked that is not meant
UNSEEN = 0.15  # share of a colour model that every colour has


class ColourSegmenter:
    """See the module; it holds nothing."""

    name = "colours and edges (embedded)"

    def segment(self, picture: Picture, clicks: Clicks) -> Mask:
        """What is meant, (H, W)."""
        height, width = picture.shape[:2]
        scale = min(1.0, SIDE / max(height, width))
        rows, columns = max(2, round(height * scale)), max(2, round(width * scale))
        small = resize(picture.astype(np.float64) / 255.0, (rows, columns), order=1, anti_aliasing=scale < 1)
        x, y = clicks.places.T
        at = (np.minimum((y * rows / height).astype(int), rows - 1),
              np.minimum((x * columns / width).astype(int), columns - 1))
        share = _Work(rgb2lab(small), at, clicks.inside).walked()
        fine = resize(share, (height, width), order=1)
        mask = fine > 0.5
        cx, cy = clicks.columns_and_rows()
        mask[cy[clicks.inside], cx[clicks.inside]] = True
        mask[cy[~clicks.inside], cx[~clicks.inside]] = False
        return _hanging_together(mask, cy[clicks.inside], cx[clicks.inside])


class _Work:
    """One small picture (h, w, 3) in Lab with its clicks."""

    def __init__(self, lab: Floats, at: tuple[NDArray[np.int64], NDArray[np.int64]], inside: NDArray[np.bool_]):
        self.lab, self.at, self.inside = lab, at, inside
        self.shape = lab.shape[:2]
        count = self.shape[0] * self.shape[1]
        number = np.arange(count).reshape(self.shape)
        pairs = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:]),
                 (number[:-1, :-1], number[1:, 1:]), (number[:-1, 1:], number[1:, :-1])]
        self.one = np.concatenate([a.ravel() for a, _ in pairs])
        self.two = np.concatenate([b.ravel() for _, b in pairs])
        away = np.concatenate([np.full(a.size, 1.0 if k < 2 else np.sqrt(2)) for k, (a, _) in enumerate(pairs)])
        flat = lab.reshape(-1, 3)
        self.step = np.linalg.norm(flat[self.one] - flat[self.two], axis=1)
        scale = max(float(np.sqrt((self.step**2).mean())), 1.0)
        weight = (np.exp(-0.5 * (self.step / scale) ** 2 * 2.0) + 1e-4) / away
        links = coo_matrix((weight, (self.one, self.two)), shape=(count, count)).tocsr()
        self.links = links + links.T
        low, high = flat.min(0), flat.max(0)
        place = (flat - low) / np.maximum(high - low, 1.0) * (np.array(BINS) - 1e-6)
        index = np.minimum(place.astype(int), np.array(BINS) - 1)
        self.bin = (index[:, 0] * BINS[1] + index[:, 1]) * BINS[2] + index[:, 2]
        self.seeds = number[at]

    def walked(self) -> Floats:
        """(h, w) how surely each pixel is inside, 0..1."""
        frame = self._frame()
        near = self._near(self.inside)
        outside = frame | (self._near(~self.inside) & ~near)
        colour = self._believed(near, outside)
        share = self._solve(0.75 * colour + 0.25 * self._closeness())
        nearer, weight = self._nearer(outside), RIVALS if (~self.inside).any() else 0.0
        for _ in range(ROUNDS - 1):
            answer = self._kept(share > 0.5)
            if not answer.any() or answer.all():
                break
            colour = self._believed(answer & ~outside | near, ~answer & ~near | outside)
            share = self._solve((1 - weight) * colour + weight * nearer)
        return np.where(self._kept(share > 0.5), np.maximum(share, 0.501), np.minimum(share, 0.499)).reshape(self.shape)

    def _near(self, which: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(n,) pixels around some of the clicks."""
        radius = max(1.5, AROUND * max(self.shape))
        y, x = np.indices(self.shape)
        result = np.zeros(self.shape, bool)
        for row, column in zip(self.at[0][which], self.at[1][which], strict=True):
            # A click beside a border must not speak for what is across it.
            like = np.linalg.norm(self.lab - self.lab[row, column], axis=2) < LIKE
            result |= ((y - row) ** 2 + (x - column) ** 2 <= radius**2) & like
        return result.ravel()

    def _frame(self) -> NDArray[np.bool_]:
        """(n,) the picture's frame, without what is easily reached from a click inside."""
        frame = np.zeros(self.shape, bool)
        frame[:2], frame[-2:], frame[:, :2], frame[:, -2:] = True, True, True, True
        frame = frame.ravel()
        reach = self._reach(self.seeds[self.inside])
        usual = float(np.median(reach[frame]))
        return frame & (reach > 0.35 * usual)

    def _reach(self, start: NDArray[np.int64]) -> Floats:
        """(n,) least sum of colour steps on a way from any of some pixels."""
        cost = coo_matrix((self.step + 0.5, (self.one, self.two)), shape=self.links.shape).tocsr()
        return dijkstra(cost, directed=False, indices=start, min_only=True)

    def _nearer(self, outside: NDArray[np.bool_]) -> Floats:
        """(n,) 1 where a click inside is reached over smaller steps than what is outside (n,), 0 where it is not."""
        if self.inside.all():
            return np.full(len(outside), 0.5)
        ours = self._reach(self.seeds[self.inside])
        theirs = self._reach(np.union1d(self.seeds[~self.inside], np.flatnonzero(outside)))
        return theirs**2 / np.maximum(ours**2 + theirs**2, 1e-12)

    def _closeness(self) -> Floats:
        """(n,) falls from 1 at a click inside to 0 far away."""
        y, x = (one.ravel() for one in np.indices(self.shape))
        result = np.zeros(y.size)
        for row, column in zip(self.at[0][self.inside], self.at[1][self.inside], strict=True):
            distance = ((y - row) ** 2 + (x - column) ** 2) / (0.28 * max(self.shape)) ** 2
            result = np.maximum(result, np.exp(-distance))
        return result

    def _believed(self, inside: NDArray[np.bool_], outside: NDArray[np.bool_]) -> Floats:
        """(n,) how probable each pixel's colour makes it inside."""
        one, two = (self._model(some) for some in (inside, outside))
        return one / (one + two)

    def _model(self, some: NDArray[np.bool_]) -> Floats:
        size = int(np.prod(BINS))
        found = np.bincount(self.bin[some], minlength=size).astype(np.float64)
        spread = gaussian_filter(found.reshape(BINS), SPREAD, mode="nearest").ravel()
        return ((1 - UNSEEN) * spread / max(float(spread.sum()), 1e-12) + UNSEEN / size)[self.bin]

    def _solve(self, prior: Floats) -> Floats:
        """The random walker's answer with a prior (n,) and the clicks held."""
        count = len(prior)
        held = np.zeros(count, bool)
        held[self.seeds] = True
        value = np.zeros(count)
        value[self.seeds[self.inside]] = 1.0
        degree = np.asarray(self.links.sum(1)).ravel()
        free = np.flatnonzero(~held)
        system = (diags(degree + TRUST) - self.links).tocsr()[free]
        right = TRUST * prior[free] - system[:, held] @ value[held]
        inner = system[:, free]
        smooth = diags(1.0 / inner.diagonal())
        value[free], _ = cg(inner, right, x0=prior[free], rtol=1e-5, maxiter=400, M=smooth)
        return value

    def _kept(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        picture = mask.reshape(self.shape).copy()
        picture[self.at[0][self.inside], self.at[1][self.inside]] = True
        return _hanging_together(picture, self.at[0][self.inside], self.at[1][self.inside]).ravel()


def _hanging_together(mask: Mask, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Mask:
    """The pieces of a mask that hold one of these pixels, without small holes."""
    parts, _ = label(mask)
    kept = np.isin(parts, np.setdiff1d(parts[rows, columns], [0]))
    holes = binary_fill_holes(kept) & ~kept & ~mask
    gaps, count = label(holes)
    size = np.bincount(gaps.ravel(), minlength=count + 1)
    small = np.flatnonzero(size < 0.01 * kept.sum())
    return kept | (holes & np.isin(gaps, small[small > 0]))

