# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rectified-flow transformer needs of a device's memory; see `footprint`, which asks here for such folders."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from backend.priors.flow_prior import PATCH, FlowPrior
from backend.priors.footprint import META, Footprint, codec_bytes, empty, made, peak_bytes, weight_bytes
from backend.priors.loading import quiet, read_config, read_index
from backend.priors.pipeline_text import TEXT_COMPONENTS


def flow_footprint(folder: Path, kind: type[FlowPrior], dtype: torch.dtype, size: int | None = None) -> Footprint:
    """Of a folder of this family, loaded in `dtype`, at pictures of `size` pixels; None is its own size.

    Raises BrokenWeights or PriorNotFound.
    """
    index = read_index(folder)
    vae = SimpleNamespace(**read_config(folder, "vae"))
    with quiet():
        import diffusers

        with META:
            transformer = made(getattr(diffusers, index["transformer"][1]), read_config(folder, "transformer"), folder)
        transformer = transformer.to(dtype)
    size = kind.native_size(transformer.config, vae) if size is None else size
    cells = size >> (len(vae.block_out_channels) - 1)
    own = cells * kind.patch // PATCH  # a token is two by two of the VAE's cells in all families
    texts = [name for name in TEXT_COMPONENTS if (index.get(name) or (None,))[0] is not None]
    encode, encode_with_gradient, decode = codec_bytes(folder, cells, dtype)
    return Footprint(
        folder.name, weight_bytes(folder / "transformer", dtype) + weight_bytes(folder / "vae", dtype),
        sum(weight_bytes(folder / name, dtype) for name in texts), _pass(kind, transformer, own, dtype), encode,
        encode_with_gradient, decode, _pass(kind, transformer, own, dtype, learning=True),
    )


def _pass(kind: type[FlowPrior], transformer: Any, cells: int, dtype: torch.dtype, learning: bool = False) -> int:
    """Bytes of a pass, an image: the slope between one and two images. learning: and back."""

    def forward(count: int) -> Any:
        noisy = empty(count, kind.channels(transformer.config), cells, cells, dtype=dtype).requires_grad_(learning)
        text = kind.blank_text(transformer, count)
        answer = kind.velocity(transformer, noisy, empty(count, dtype=torch.float32), text, 1.0)
        if learning:
            answer.sum().backward()
        return answer

    return max(peak_bytes(lambda: forward(2), learning) - peak_bytes(lambda: forward(1), learning), 1)
