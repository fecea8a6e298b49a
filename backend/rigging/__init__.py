# SPDX-License-Identifier: GPL-3.0-or-later
"""Skeletons and skins for meshes: a voxel solid, heat in it, bodies and templates fitted to it, poses that show it."""
