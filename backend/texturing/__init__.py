# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting a mesh from a sentence: views of it are denoised together, agree on its surface, and become one texture."""
