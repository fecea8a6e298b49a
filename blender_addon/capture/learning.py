# SPDX-License-Identifier: GPL-3.0-or-later
"""A word and a few picture files -> a learn job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np

from .. import wire
from . import pictures
from .text import line

KNOWN = (pictures.PNG, pictures.JPEG)
FEWEST, MOST = wire.load("specs.learn").FEWEST_PICTURES, wire.load("specs.learn").MOST_PICTURES


def spec_from(context: Any, properties: Any, seed: int | None = None) -> Any:
    """`protocol.specs.LearnSpec` out of `scene.maquette`. Raises BadRequest naming the field."""
    if not FEWEST <= len(properties.pictures) <= MOST:
        raise wire.errors.BadRequest(f"Choose {FEWEST} to {MOST} pictures of it", path="pictures")
    if not properties.word.strip():
        raise wire.errors.BadRequest("Invent a word for it", path="word")
    if properties.subject == "object" and not properties.noun.strip():
        raise wire.errors.BadRequest("Say what kind of thing it is", path="noun")
    return wire.specs.LearnSpec(
        word=properties.word.strip().lower(),
        noun=line(properties.noun),
        subject=properties.subject,
        method=properties.learn_method,
        prior=properties.prior.strip(),
        steps=properties.steps,
        seed=properties.seed if seed is None else seed,
    )


def options(context: Any, properties: Any, target: str, spec: Any) -> dict[str, Any]:
    """The picture files, for another try."""
    return {"pictures": [bpy.path.abspath(one.path) for one in properties.pictures]}


def inputs(context: Any, properties: Any, target: str, spec: Any, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """picture_0, picture_1, ... as PNG, JPEG or WebP files. Raises BadRequest for one that cannot be read."""
    return {f"picture_{at}": pictures.as_input(file_bytes(path)) for at, path in enumerate(options["pictures"])}


def file_bytes(path: str | Path) -> bytes:
    """A picture file that the backend reads; one of another format is written anew as a PNG. Raises BadRequest."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise wire.errors.BadRequest(f"The picture {path} cannot be read.", path="pictures") from error
    if data.startswith(KNOWN) or data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return data
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise wire.errors.BadRequest(f"{path} is no picture.", path="pictures") from error
    try:
        if 0 in tuple(image.size):
            raise wire.errors.BadRequest(f"{path} is no picture.", path="pictures")
        return pictures.png(pictures.pixels(image))
    finally:
        bpy.data.images.remove(image)
