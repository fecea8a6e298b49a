# SPDX-License-Identifier: GPL-3.0-or-later
"""Numerical kernels in NVIDIA Warp: one source for CPU and CUDA, each wrapped for torch autograd.

Every kernel has hand-written gradients and a float64 torch reference in `tests/backend/kernels`. What the kernels mean
for a scene (fields, cameras, images) is the business of `backend.fields` and `backend.render`.
"""
