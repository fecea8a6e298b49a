# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that a prior learns from a few pictures, and the style that it takes from one: learning, keeping, speaking."""
