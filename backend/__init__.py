# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that runs outside Blender: the hub that keeps the queue, the workers, and the recipes they run."""

__version__ = "0.1.0"
