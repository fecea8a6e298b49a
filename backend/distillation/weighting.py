# SPDX-License-Identifier: GPL-3.0-or-later
"""How much each noise level counts in distillation: w(t), as plain functions of alpha_bar."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Weighting = Literal["uniform", "sigma2", "fantasia3d", "min_snr", "velocity"]
WEIGHTINGS: tuple[Weighting, ...] = ("uniform", "sigma2", "fantasia3d", "min_snr", "velocity")
MIN_SNR_GAMMA = 5.0  # Hang et al. 2023, section 3.4


def weight(name: Weighting, alpha_bar: Tensor, residual: Literal["noise", "clean"] = "noise") -> Tensor:
    """w(t) for each alpha_bar, of the same shape.

    uniform: 1, Magic3D's coarse stage. sigma2: 1 - alpha_bar, DreamFusion (appendix) and threestudio's default.
    fantasia3d: sqrt(alpha_bar) * (1 - alpha_bar), which spares the noisiest levels (Chen et al. 2023). min_snr:
    min(snr, 5) for clean residuals and min(snr, 5) / snr for noise residuals, so that no level dominates a squared
    error (Hang et al. 2023). velocity: makes a noise or clean residual that of the velocity, in samples of unit
    variance, as Yang et al. 2024 (RFDS) compare flows.
    """
    if name == "uniform":
        return torch.ones_like(alpha_bar)
    if name == "sigma2":
        return 1 - alpha_bar
    if name == "fantasia3d":
        return alpha_bar.sqrt() * (1 - alpha_bar)
    if name == "min_snr":
        snr = alpha_bar / (1 - alpha_bar).clamp_min(1e-12)
        capped = snr.clamp_max(MIN_SNR_GAMMA)
        return capped if residual == "clean" else capped / snr.clamp_min(1e-12)
    if name == "velocity":
        share = alpha_bar if residual == "noise" else 1 - alpha_bar
        return share.clamp_min(1e-12).rsqrt()
    raise ValueError(f"weighting {name!r} is none of {', '.join(WEIGHTINGS)}")
