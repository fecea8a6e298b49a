# SPDX-License-Identifier: GPL-3.0-or-later
"""How a prior's opinion of a render becomes a gradient: score distillation, its guidance, weights and schedules."""
