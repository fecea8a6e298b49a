# SPDX-License-Identifier: GPL-3.0-or-later
"""Text encoders that live inside a diffusers pipeline: put there when a prompt has to be read, and taken out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from backend.priors.loading import CHOOSE, load_component, read_index
from backend.priors.text import TextReader
from protocol.errors import BrokenWeights

TEXT_COMPONENTS = ("text_encoder", "text_encoder_2", "text_encoder_3")


def text_components(folder: Path) -> list[str]:
    """The text encoders of a pipeline folder. One may be left out on purpose (T5 of Stable Diffusion 3), not all.

    Raises BrokenWeights where there is none.
    """
    index = read_index(folder)
    names = [name for name in TEXT_COMPONENTS if (index.get(name) or (None,))[0] is not None]
    if not names:
        raise BrokenWeights(f"{folder} has no text encoder that could be loaded.",
                            hint="Download the model again. " + CHOOSE)
    return names


def fill(pipeline: Any, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
    """Puts the text encoders that are missing into the pipeline, and all of them on the device."""
    for name in text_components(folder):
        if getattr(pipeline, name) is None:
            setattr(pipeline, name, load_component(folder, name, dtype))
        getattr(pipeline, name).to(device).eval().requires_grad_(False)


class PipelineReader(TextReader):
    """Lets the pipeline's text encoders go too, else nothing would be freed."""

    def __init__(self, pipeline: Any, *args: Any) -> None:
        super().__init__(*args)
        self._pipeline = pipeline

    def release(self) -> None:
        super().release()
        for name in TEXT_COMPONENTS:
            if hasattr(self._pipeline, name):
                setattr(self._pipeline, name, None)
