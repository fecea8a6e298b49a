# SPDX-License-Identifier: GPL-3.0-or-later
"""Which device a worker computes on, and with how many threads: decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def choose_device() -> torch.device:
    """The first CUDA device when there is one, else the CPU."""
    import torch

    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def device_memory(device: torch.device | None) -> tuple[int, int]:
    """(all, free) bytes of a GPU; (0, 0) where there is none."""
    if device is None or device.type != "cuda":
        return 0, 0
    import torch

    free, total = torch.cuda.mem_get_info(device)
    return int(total), int(free)


def set_threads(environ: Mapping[str, str]) -> None:
    """Give torch as many threads as the environment says (`worker_environment` says: its share of the cores)."""
    import torch

    torch.set_num_threads(max(1, int(environ.get("OMP_NUM_THREADS") or 1)))
