# SPDX-License-Identifier: GPL-3.0-or-later
"""The procedural objects as a source of shards."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .. import objects


class Procedural:
    """`backend.embedded.objects` behind the four calls that `dataset` makes."""

    def sample(self, rng: np.random.Generator, split: str) -> objects.ProceduralObject:
        return objects.sample(rng, "held_out" if split == "held_out" else "train")

    def captions(self, thing: objects.ProceduralObject, rng: np.random.Generator, count: int) -> list[str]:
        return thing.captions(rng, count)

    def label(self, thing: objects.ProceduralObject) -> str:
        return thing.kind

    def render(
        self, things: list[Any], azimuth: npt.NDArray[np.float32], elevation: npt.NDArray[np.float32],
        zoom: npt.NDArray[np.float32], size: int, samples: int, device: str,
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int8]]:  # fmt: skip
        """Render in launches of at most 64 million samples, so that a shard fits small memory."""
        step = max(1, (1 << 26) // (size * size * samples * samples))
        parts = [
            objects.render(
                things[i : i + step], azimuth[i : i + step], elevation[i : i + step], zoom[i : i + step],
                size=size, samples=samples, device=device,
            )
            for i in range(0, len(things), step)
        ]  # fmt: skip
        return (
            np.concatenate([albedo.cpu().numpy() for albedo, _ in parts]),
            np.concatenate([normals.cpu().numpy() for _, normals in parts]),
        )
