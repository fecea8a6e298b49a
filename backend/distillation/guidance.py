# SPDX-License-Identifier: GPL-3.0-or-later
"""What the prior is asked: plain guidance with a negative prompt, or Perp-Neg for priors that don't know the camera.

Both end in the one definition of classifier-free guidance (`backend.priors.noise.classifier_free_guidance`) and so
agree where they should: Perp-Neg with no negative weight is plain guidance, at the same scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.priors.base import Prior, TextEmbedding
from backend.priors.noise import Prediction, classifier_free_guidance
from backend.priors.prompts import PromptBook
from backend.priors.views import ViewCondition
from backend.transfer import sent


@dataclass(frozen=True)
class Guided:
    """A prior's belief under guidance, and the plain conditional one that it was made from."""

    guided: Prediction
    conditional: Prediction


@dataclass(frozen=True)
class PerpNeg:
    """Perp-Neg (Armandpour et al. 2023): negative view prompts that act only across the positive one.

    The negatives' weights fall with the angle, w(r) = -(a exp(-b r) + c); defaults are threestudio's
    (f_sb, f_fsb, f_fs, f_sf of its prompt processor).

    Attributes:
        side_towards_back, front_side_back, front_towards_side, side_towards_front: (a, b, c) of each weight.
    """

    side_towards_back: tuple[float, float, float] = (1.0, 0.5, -0.606)
    front_side_back: tuple[float, float, float] = (1.0, 0.5, 0.967)
    front_towards_side: tuple[float, float, float] = (4.0, 0.5, -2.426)
    side_towards_front: tuple[float, float, float] = (4.0, 0.5, -2.426)


def perpendicular(vector: Tensor, reference: Tensor) -> Tensor:
    """The part of `vector` (B, ...) perpendicular to `reference`, image by image."""
    dims = tuple(range(1, vector.ndim))
    along = (vector * reference).sum(dims, keepdim=True)
    length = reference.square().sum(dims, keepdim=True)
    return vector - along / length.clamp_min(1e-12) * reference


class Guidance:
    """Asks a prior about a prompt, for whatever view.

    Args:
        prior: who is asked.
        book: the prompt, read by the same prior.
        scale: classifier-free guidance, in the meaning of diffusers.
        perp_neg: None for plain guidance. Needs a prompt book with view words.
    """

    def __init__(self, prior: Prior, book: PromptBook, scale: float, perp_neg: PerpNeg | None = None) -> None:
        if not math.isfinite(scale):
            raise ValueError(f"the guidance scale must be finite, got {scale}")
        if perp_neg is not None and not book.uses_view_words:
            raise ValueError("Perp-Neg compares view words, and this prompt book has none: its prior knows the camera")
        if perp_neg is not None and not prior.traits.takes_guidance:
            raise ValueError(f"Perp-Neg compares answers to several texts, which {prior.traits.name} does not stand")
        self.prior = prior
        self.book = book
        self.scale = scale
        self.perp_neg = perp_neg

    def __call__(self, x_t: Tensor, t: Tensor, view: ViewCondition | None, scale: float | None = None) -> Guided:
        """The belief about x_t (B, C, h, w) at t (B,); one forward pass of 2B images (4B with Perp-Neg).

        `scale` replaces the usual one for this call. At 1 without negatives only B images are passed.
        """
        scale = self.scale if scale is None else scale
        if self.perp_neg is not None and view is not None:
            return self._perp_neg(x_t, t, view, scale, self.perp_neg)
        positive, negative = self.book.positive(len(x_t), view), self.book.negative(len(x_t))
        return Guided(*self.prior.guided(x_t, t, positive, negative, view, scale))

    def _perp_neg(self, x_t: Tensor, t: Tensor, view: ViewCondition, scale: float, settings: PerpNeg) -> Guided:
        positive, negatives, weights = perp_neg_texts(self.book, view, settings)
        branches = self.prior.predict_branches(
            x_t, t, [self.book.negative(len(x_t)), positive, *negatives], view)
        without, conditional = branches[:2]
        direction = conditional.eps - without.eps
        push = torch.zeros_like(direction)
        for branch, weight in zip(branches[2:], weights.unbind(-1), strict=True):
            push += weight.view(-1, 1, 1, 1) * perpendicular(branch.eps - without.eps, direction)
        # The negatives change what "conditional" means; guidance itself stays the common formula.
        moved = Prediction(eps=conditional.eps + push,
                           x0=self.prior.noise.x0_from_eps(conditional.eps + push, x_t, t))
        return Guided(_guide(without, moved, scale), conditional)


def _guide(without: Prediction, conditional: Prediction, scale: float) -> Prediction:
    return Prediction(eps=classifier_free_guidance(without.eps, conditional.eps, scale),
                      x0=classifier_free_guidance(without.x0, conditional.x0, scale))


def perp_neg_texts(
    book: PromptBook, view: ViewCondition, settings: PerpNeg
) -> tuple[TextEmbedding, list[TextEmbedding], Tensor]:
    """The blended positive, the two negatives and their weights (B, 2), all by azimuth; overhead views have weight 0.

    Within 90 degrees of the front the positive blends front and side and the negatives are front and side; beyond that
    it blends side and back and the negatives are side and front (Armandpour et al. 2023, section 4.3).
    """
    front, side, back = (book.for_word(word) for word in ("front", "side", "back"))
    words = view.words()
    positives, first, second, weights = [], [], [], []
    for index, (azimuth, word) in enumerate(zip(view.azimuth.tolist(), words, strict=True)):
        turn = abs(math.remainder(azimuth, 2 * math.pi))
        if word == "overhead":
            positives.append(book.positive(1, view[index:index + 1]))
            first.append(side)
            second.append(front)
            weights.append((0.0, 0.0))
        elif turn < math.pi / 2:
            share = 1 - turn / (math.pi / 2)  # 1 seen from the front, 0 from the side
            positives.append(_blend(front, side, share))
            first.append(front)
            second.append(side)
            weights.append((_decay(settings.front_towards_side, share), _decay(settings.side_towards_front, 1 - share)))
        else:
            share = 2 - turn / (math.pi / 2)  # 1 seen from the side, 0 from the back
            positives.append(_blend(side, back, share))
            first.append(side)
            second.append(front)
            weights.append((_decay(settings.side_towards_back, share), _decay(settings.front_side_back, share)))
    return (TextEmbedding.concatenate(positives),
            [TextEmbedding.concatenate(first), TextEmbedding.concatenate(second)],
            sent(torch.tensor(weights), positives[0].tokens.device))


def _decay(shape: tuple[float, float, float], share: float) -> float:
    a, b, c = shape
    return -(a * math.exp(-b * share) + c)


def _blend(first: TextEmbedding, second: TextEmbedding, share: float) -> TextEmbedding:
    """`share` of the first, the rest of the second."""
    tokens = torch.lerp(second.tokens, first.tokens, share)
    pooled = None if first.pooled is None or second.pooled is None else torch.lerp(second.pooled, first.pooled, share)
    return TextEmbedding(tokens, first.mask, pooled)
