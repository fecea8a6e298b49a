# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded prior: procedural objects with captions, the recipes that train on them, and the weights that ship."""
