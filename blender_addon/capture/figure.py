# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's settings -> the spec of an avatar job; the frames of the scene are its motion's."""

from __future__ import annotations

from typing import Any

from .. import wire
from .text import line, shared


def spec_from(context: Any, properties: Any, seed: int | None = None) -> Any:
    """`protocol.specs.AvatarSpec` out of `scene.maquette`. Raises BadRequest naming the field."""
    return wire.specs.AvatarSpec(
        **shared(properties, seed),
        height_metres=round(properties.height_metres, 6),
        motion=line(properties.motion),
        seconds=round(properties.seconds, 6) or 4.0,
        fps=round(frames_a_second(context.scene), 6),
        texture_size=int(properties.texture_size),
        name=properties.object_name.strip(),
    )


def frames_a_second(scene: Any) -> float:
    """Of the scene's timeline."""
    return float(scene.render.fps) / float(scene.render.fps_base)
