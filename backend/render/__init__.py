# SPDX-License-Identifier: GPL-3.0-or-later
"""What a camera sees: cameras, light, volume rendering of fields and rasterising of meshes."""
