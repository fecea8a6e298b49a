# SPDX-License-Identifier: GPL-3.0-or-later
"""Variations: one sentence, several seeds, as one job; the artist keeps what he likes and drops the rest."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import ClassVar

from .. import checks
from ..errors import BadRequest
from .base import MAX_SEED
from .text_to_3d import TextTo3DSpec

FEWEST, MOST = 2, 8
PREFIX = "v{index}_"  # of a variation's arrays


@dataclass(frozen=True)
class VariationsSpec(TextTo3DSpec):
    """A sentence becomes several textured meshes, which share the loaded prior and the prompt as it was read.

    count: 2 to 8. seed: of the first one; the others follow it, one higher each, so any of them can be made again alone
    by a text to 3D job. All else as of a text to 3D job, and the same for each.

    The result's arrays are those of a text to 3D job, each name behind `v0_`, `v1_`, ...; the report holds one under
    `variations` for each. Raises BadRequest (or TooLarge) naming the field.
    """

    kind: ClassVar[str] = "variations"

    count: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integer(FEWEST, MOST)(self.count, "count")
        if self.seed is not None and self.seed > MAX_SEED - self.count:
            raise BadRequest(
                f"seed is {self.seed}, and {self.count} variations count up from it beyond the largest number.",
                path="seed", hint=f"Choose one up to {MAX_SEED - self.count}.",
            )

    def one(self, index: int, first_seed: int) -> TextTo3DSpec:
        """The text to 3D job that variation `index` (from 0) is. first_seed: that of variation 0."""
        values = {field.name: getattr(self, field.name) for field in fields(TextTo3DSpec)}
        return replace(TextTo3DSpec(**values), seed=first_seed + index)


def names_of(index: int, names: list[str]) -> dict[str, str]:
    """Which of a result's array names belong to variation `index`, by the name that they have in a text to 3D job."""
    prefix = PREFIX.format(index=index)
    return {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
