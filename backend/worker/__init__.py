# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that owns one device: it leases a job from the hub, runs its recipe, and reports."""
