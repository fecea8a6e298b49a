# SPDX-License-Identifier: GPL-3.0-or-later
"""Small things on their way from the host to a GPU, without the host waiting for what the GPU still has to do.

A plain `tensor.to("cuda")` from ordinary memory waits until everything queued before it is done, and then the GPU waits
until the host has queued something new. A step of an optimisation sends a dozen such things (cameras, noise, row
numbers); from pinned memory they travel in their turn and nobody waits.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    """The tensor on `device`, no gradient attached to the way; the same tensor where it is there already.

    PyTorch keeps the pinned copy until the GPU has read it, and uses the memory again afterwards.
    """
    device = torch.device(device)
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
