# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM 1 and SAM 2 from a local folder in the layout of transformers (Kirillov et al. 2023; Ravi et al. 2024).

Only the networks are transformers'; pictures and masks are prepared here, because its processors for SAM 2 want
torchvision, which must not be installed beside our torch. SAM 1 sees a picture with its longer side scaled to 1024 and
padded; SAM 2 sees it stretched to a square. One click is ambiguous, so three masks are made and the network's own
favourite is taken; more clicks make one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional

from backend.segmentation.base import Clicks, Mask, Picture
from protocol.errors import BadRequest

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, unless the folder says otherwise
SAM_2 = ("sam2", "sam2_video")


class Sam:
    """A SAM of either kind.

    Args:
        model: transformers' SamModel or Sam2Model, in evaluation mode, on the device it shall work on.
        square: side of the picture that the network sees.
        stretched: whether pictures are stretched to the square (SAM 2) or padded (SAM 1).
        mean, deviation: by which colours in 0..1 are normalised.
        name: for reports.
    """

    def __init__(
        self, model: Any, square: int, stretched: bool, mean: tuple[float, ...] = MEAN,
        deviation: tuple[float, ...] = DEVIATION, name: str = "SAM",
    ):
        self.model, self.square, self.stretched, self.name = model, square, stretched, name
        self._mean, self._deviation = torch.tensor(mean).view(3, 1, 1), torch.tensor(deviation).view(3, 1, 1)

    @torch.no_grad()
    def segment(self, picture: Picture, clicks: Clicks) -> Mask:
        """What the network thinks is meant, (H, W)."""
        height, width = picture.shape[:2]
        size = self._seen(height, width)
        device = next(self.model.parameters()).device
        scale = torch.tensor([size[1] / width, size[0] / height], dtype=torch.float64)
        points = (torch.from_numpy(clicks.places) * scale).float()[None, None].to(device)
        labels = torch.from_numpy(clicks.inside.astype(np.int64))[None, None].to(device)
        found = self.model(
            pixel_values=self._prepared(picture, size).to(device), input_points=points, input_labels=labels,
            multimask_output=len(clicks.inside) == 1,
        )
        masks, scores = found.pred_masks[0, 0].float(), found.iou_scores[0, 0]
        best = masks[int(scores.argmax())][None, None]
        if self.stretched:
            whole = best
        else:
            padded = functional.interpolate(best, (self.square, self.square), mode="bilinear", align_corners=False)
            whole = padded[..., : size[0], : size[1]]
        full = functional.interpolate(whole, (height, width), mode="bilinear", align_corners=False)
        result: Mask = (full[0, 0] > 0).cpu().numpy()
        return result

    def _seen(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the picture within the square."""
        if self.stretched:
            return self.square, self.square
        scale = self.square / max(height, width)
        return int(height * scale + 0.5), int(width * scale + 0.5)

    def _prepared(self, picture: Picture, size: tuple[int, int]) -> Tensor:
        """(1, 3, square, square) normalised; padding is zero after it."""
        pixels = torch.tensor(picture).permute(2, 0, 1)[None].float()
        scaled = functional.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True)
        # Whole numbers, as the pictures were that it was trained with.
        normal = (scaled.round().clamp(0, 255) / 255 - self._mean) / self._deviation
        return functional.pad(normal, (0, self.square - size[1], 0, self.square - size[0]))


def load_sam(folder: Path, device: torch.device) -> Sam:
    """The SAM in a folder that transformers wrote (config.json and safetensors). Raises BadRequest."""
    try:
        config = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        raise _wrong(folder, "has no config.json") from None
    except (OSError, ValueError) as problem:
        raise _wrong(folder, f"has a config.json that cannot be read ({problem})") from problem
    kind = config.get("model_type")
    if kind != "sam" and kind not in SAM_2:
        raise _wrong(folder, f"holds a model of the kind {kind!r}, not SAM or SAM 2")
    mean, deviation = _normalisation(folder)
    if not any(folder.glob("*.safetensors")):
        raise _wrong(folder, "has no .safetensors file")
    try:
        if kind == "sam":
            from transformers.models.sam.modeling_sam import SamModel as Model  # the umbrella module loads everything
        else:
            from transformers.models.sam2.modeling_sam2 import Sam2Model as Model  # type: ignore[no-redef]
        model = Model.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as problem:
        raise _wrong(folder, f"cannot be loaded ({problem})") from problem
    square = int(model.config.prompt_encoder_config.image_size)
    name = f"{'SAM' if kind == 'sam' else 'SAM 2'} ({folder.name})"
    return Sam(model.eval().to(device), square, kind != "sam", mean, deviation, name)


def _normalisation(folder: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    try:
        found = json.loads((folder / "preprocessor_config.json").read_text())
        mean, deviation = found["image_mean"], found["image_std"]
        return tuple(float(one) for one in mean), tuple(float(one) for one in deviation)
    except (OSError, ValueError, KeyError, TypeError):
        return MEAN, DEVIATION


def _wrong(folder: Path, what: str) -> BadRequest:
    return BadRequest(f"The folder {folder.name} {what}.", path="segmenter",
                      hint="Set `segmenter` to a folder with SAM or SAM 2 in transformers' layout, for example a "
                           "download of facebook/sam-vit-base or facebook/sam2.1-hiera-small, or leave it empty.")
