# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeds: drawn, and read out of a spec. No bpy here."""

from __future__ import annotations

import random
from typing import Any

SEED_LIMIT = 2**31 - 1
"""Blender's own integers end here; scripts may use seeds up to 2^63 - 1."""


def draw_seed() -> int:
    """A seed nobody chose, from the system's own source, so that Blender's and a script's generators stay untouched."""
    return random.SystemRandom().randrange(SEED_LIMIT)


def spec_seed(spec: Any) -> int | None:
    """The seed that a spec names, None where the worker draws one."""
    seed = getattr(spec, "seed", None)
    return seed if isinstance(seed, int) else None
