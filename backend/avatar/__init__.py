# SPDX-License-Identifier: GPL-3.0-or-later
"""People: the parametric body, what words say about it, what it wears, and its shape as something to sculpt."""
