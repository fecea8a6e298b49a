# SPDX-License-Identifier: GPL-3.0-or-later
"""When a recipe keeps a checkpoint: every so often, and at once when the job shall pause."""

from __future__ import annotations

from typing import Any

from backend.jobs.context import JobContext

CHECKPOINT_EVERY = 15.0  # seconds: the most work that a killed worker can lose


class Keeper:
    """Keeps checkpoints with the seed, so that a job without one goes on with the one it drew."""

    def __init__(self, context: JobContext, seed: int):
        self._context, self._seed = context, seed
        self._last = context.clock()

    def due(self) -> bool:
        """Whether it is time; only the first of several ranks keeps anything."""
        if not self._context.ranks.first:
            return False
        return self._context.checkpoint_wanted or self._context.clock() - self._last >= CHECKPOINT_EVERY

    def keep(self, **stages: dict[str, Any]) -> None:
        """Keeps the states of stages by name."""
        self._context.save_checkpoint({"seed": self._seed, **stages})
        self._last = self._context.clock()
