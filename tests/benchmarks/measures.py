# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of pictures: how far colours are apart, from which side a picture was taken, and whether an object has two
faces.

Pictures are (H, W, 4) or (B, H, W, 4) float32 RGBA in 0..1: sRGB-encoded straight colour and coverage. Everything is
numpy and pure; measures of shapes live in `backend/geometry/compare.py` and `backend/geometry/health.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

COVERED = 0.5
"""A pixel belongs to the object when at least this share of it is covered."""

SAME_VIEW = 0.035
"""Two pictures whose `picture_distance` is below this show the same side as far as anyone can tell: it is about what
half a pixel of shift along every outline of a 64-pixel picture makes."""

MAIN_VIEWS = (0.0, 90.0, 180.0, 270.0)
"""Front, the object's left, back, and right: azimuths of the camera in degrees."""

_RGB_TO_XYZ = np.array(  # linear sRGB to CIE XYZ, D65 (IEC 61966-2-1)
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE_D65 = _RGB_TO_XYZ.sum(axis=1)


def srgb_to_lab(colour: np.ndarray) -> np.ndarray:
    """sRGB-encoded colour (..., 3) in 0..1 to CIE L*a*b* under D65 (..., 3): L in 0..100 (CIE 15:2004, 8.2.1)."""
    colour = np.clip(np.asarray(colour, dtype=np.float64), 0.0, 1.0)
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _RGB_TO_XYZ.T / _WHITE_D65
    edge = 6.0 / 29.0
    root = np.where(ratio > edge**3, np.cbrt(ratio), ratio / (3.0 * edge**2) + 4.0 / 29.0)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def delta_e(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """CIE76 colour difference (...,) of two sRGB-encoded colours (..., 3): 1 is just visible, black to white is 100."""
    return np.linalg.norm(srgb_to_lab(first) - srgb_to_lab(second), axis=-1)


@dataclass(frozen=True)
class ColourError:
    """How far the colours of two sets of pictures are apart, where both show the object.

    Attributes:
        mean: mean CIE76 difference over the common pixels of all pictures.
        of_means: CIE76 difference of the mean colours: blind to where on the object a colour is.
        common: share of the covered pixels (union) in which both show the object.
    """

    mean: float
    of_means: float
    common: float


def colour_error(pictures: np.ndarray, truth: np.ndarray) -> ColourError:
    """Compares two (B, H, W, 4) stacks pixel by pixel inside their common mask.

    Without a single common pixel both differences are 100 (black against white): nothing can be said in favour.
    """
    if pictures.shape != truth.shape or pictures.shape[-1] != 4:
        raise ValueError(f"two RGBA stacks of one shape are needed, got {pictures.shape} and {truth.shape}")
    ours, theirs = pictures[..., 3] >= COVERED, truth[..., 3] >= COVERED
    common, union = ours & theirs, ours | theirs
    if not common.any():
        return ColourError(100.0, 100.0, 0.0)
    first, second = pictures[common][:, :3], truth[common][:, :3]
    of_means = delta_e(first.mean(axis=0), second.mean(axis=0))
    return ColourError(float(delta_e(first, second).mean()), float(of_means), float(common.sum() / union.sum()))


def picture_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean absolute difference of colour over mid grey and of coverage, over the pixels that either covers.

    `first` (A, H, W, 4) and `second` (B, H, W, 4) give (A, B): 0 for equal pictures, 1 at the very most. Dividing by
    the union keeps thin objects from looking alike because most of the picture is empty.
    """

    def seen(stack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = stack.reshape(len(stack), -1, 4).astype(np.float32)
        alpha = flat[..., 3:]
        return np.concatenate([flat[..., :3] * alpha + 0.5 * (1.0 - alpha), alpha], axis=-1), alpha[..., 0]

    ours, our_alpha = seen(first)
    theirs, their_alpha = seen(second)
    distance = np.empty((len(ours), len(theirs)))
    for row, (picture, alpha) in enumerate(zip(ours, our_alpha, strict=True)):
        union = np.maximum(alpha[None], their_alpha).sum(axis=1)
        distance[row] = np.abs(picture[None] - theirs).mean(axis=2).sum(axis=1) / np.maximum(union, 1e-6)
    return distance


def turning_likeness(pictures: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How alike two turntables (N, H, W, 4) are in what changes from view to view: (N, N) correlations in -1..1.

    Each turntable's own mean picture is taken off first. What is wrong in every view alike (a shade, a size, a missing
    pattern) says nothing about which side is which, and would drown a nose or a door that does.
    """

    def changes(stack: np.ndarray) -> np.ndarray:
        alpha = stack[..., 3:]
        seen = np.concatenate([stack[..., :3] * alpha + 0.5 * (1.0 - alpha), alpha], axis=-1).astype(np.float64)
        apart = (seen - seen.mean(axis=0)).reshape(len(seen), -1)
        return apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-9)

    return changes(pictures) @ changes(truth).T


def turn_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The smaller angle between two azimuths in degrees, 0..180."""
    return np.abs((np.asarray(first) - np.asarray(second) + 180.0) % 360.0 - 180.0)


@dataclass(frozen=True)
class ViewAgreement:
    """Whether each side of an object shows what the truth shows on that side.

    Attributes:
        main_right: share of front, left, back and right that are most alike to the right one of the truth's four.
        azimuth_error: mean over all views of the angle in degrees by which the most alike view of the truth is off; a
            view of the truth that cannot be told from the right one counts as right.
        janus: the truth's back can be told from its front, and yet the object's back looks like the truth's front.
        telling: share of ordered pairs of the truth's views that can be told apart (0: a solid of revolution, for which
            the other numbers mean nothing).
    """

    main_right: float
    azimuth_error: float
    janus: bool
    telling: float

    @property
    def agrees(self) -> bool:
        """Front, sides and back all agree and the back is no second face."""
        return self.main_right == 1.0 and not self.janus


def view_agreement(pictures: np.ndarray, truth: np.ndarray, azimuths: np.ndarray) -> ViewAgreement:
    """Reads back from which azimuth each picture was taken, by the picture of the truth that is most alike in what
    changes from view to view (`turning_likeness`).

    Args:
        pictures: (N, H, W, 4) of the object in question, one for each azimuth.
        truth: (N, H, W, 4) of the truth from the same cameras.
        azimuths: (N,) degrees; the four `MAIN_VIEWS` must be among them.
    """
    azimuths = np.asarray(azimuths, dtype=np.float64) % 360.0
    main = [int(np.argmin(turn_between(azimuths, view))) for view in MAIN_VIEWS]
    if turn_between(azimuths[main], np.array(MAIN_VIEWS)).max() > 1e-3:
        raise ValueError("the azimuths must hold 0, 90, 180 and 270 degrees")
    across = -turning_likeness(pictures, truth)
    among = picture_distance(truth, truth)
    alike = among < SAME_VIEW

    nearest = across.argmin(axis=1)
    error = turn_between(azimuths[nearest], azimuths)
    error[alike[np.arange(len(azimuths)), nearest]] = 0.0

    nearest_main = np.array(main)[across[np.ix_(main, main)].argmin(axis=1)]
    right = (nearest_main == main) | alike[main, nearest_main]
    front, back = main[0], main[2]
    janus = not alike[front, back] and across[back, front] < across[back, back]
    others = ~np.eye(len(azimuths), dtype=bool)
    return ViewAgreement(float(right.mean()), float(error.mean()), bool(janus), float((~alike)[others].mean()))
