# SPDX-License-Identifier: GPL-3.0-or-later
"""Numerical kernels in NVIDIA Warp: one source for CPU and CUDA, each wrapped for torch autograd.

What is optimised through a kernel has hand-written gradients; what only asks (coverage, rays, winding numbers,
silhouettes) has none. Plain references stand in `tests/backend/kernels`. What the kernels mean for a scene (fields,
cameras, images) is the business of `backend.fields`, `backend.render` and `backend.geometry`.
"""
