# SPDX-License-Identifier: GPL-3.0-or-later
"""Which segmenter: the embedded one, or a SAM in a folder."""

from __future__ import annotations

from pathlib import Path

import torch

from backend.segmentation.base import Segmenter
from backend.segmentation.colours import ColourSegmenter
from protocol.errors import BadRequest


def segmenter_of(name: str, device: torch.device) -> Segmenter:
    """The segmenter in the folder `name`, or the embedded one for an empty name. Raises BadRequest."""
    if not name:
        return ColourSegmenter()
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise BadRequest(f"There is no folder {name!r} with a segmenter.", path="segmenter",
                         hint="Set `segmenter` to a folder with SAM or SAM 2, or leave it empty for the embedded one.")
    from backend.segmentation.sam import load_sam  # the embedded one needs no transformers

    return load_sam(folder, device)
