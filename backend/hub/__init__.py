# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub: keeps the queue, the job states, the results and the connections. Never imports torch."""
