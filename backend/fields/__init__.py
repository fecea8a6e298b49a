# SPDX-License-Identifier: GPL-3.0-or-later
"""What is optimised: radiance, texture and signed-distance fields over the cube [-1, 1]^3, and the occupancy grid."""
