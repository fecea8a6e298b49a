# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes: isosurfaces, cleaning, simplifying, UVs, baking, comparing, file formats. Torch only where gradients
flow."""
