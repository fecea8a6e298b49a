# SPDX-License-Identifier: GPL-3.0-or-later
"""Pretrained image models behind one narrow interface; `catalog.load` chooses, `base.Prior` is all that others know."""
