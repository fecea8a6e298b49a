# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that owns one device: it leases a job from the hub, runs its recipe, and reports.

`process` is the main loop; `context` is what a recipe sees of it. `link` is the thread that owns the socket, and what
it says is `conversation`, with `held` (the lease), `durable` (what must be heard), `delivery` (results, checkpoints)
and `newest` (previews). A job on several devices: `leading` and `rank`. Far from the hub: `machine` and `hubs`.
"""
