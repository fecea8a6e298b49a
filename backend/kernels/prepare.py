# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiling all kernels ahead of their first use.

Warp compiles a module when its first kernel is launched, a second or two each, and keeps the result in the user's
cache. Whoever has a moment to spare (an installer, a worker that waits for its first job) calls `prepare`, so that no
one's first job pays for it: `python -m backend.kernels.prepare [cpu | cuda:0]`.
"""

from __future__ import annotations

import sys
import time

import torch
import warp as wp

from backend.kernels import (
    chance,
    composite,
    hash_lookup,
    rasterise,
    ray_cast,
    ray_march,
    signed,
    silhouette,
    winding,
)

MODULES = (chance, hash_lookup, ray_march, composite, rasterise, silhouette, ray_cast, signed, winding)


def prepare(device: torch.device) -> float:
    """Compiles every kernel for `device`, or loads it from the cache; returns the seconds that took."""
    began = time.perf_counter()
    wp.force_load(device=wp.device_from_torch(device), modules=[wp.get_module(module.__name__) for module in MODULES])
    return time.perf_counter() - began


if __name__ == "__main__":
    chosen = torch.device(sys.argv[1] if len(sys.argv) > 1 else "cuda" if torch.cuda.is_available() else "cpu")
    print(f"kernels for {chosen} are ready after {prepare(chosen):.1f} s")
