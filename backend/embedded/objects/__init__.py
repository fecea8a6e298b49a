# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural objects with captions: what the embedded prior is trained on, and the truth it is measured against."""
