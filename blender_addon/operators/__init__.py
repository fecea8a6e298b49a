# SPDX-License-Identifier: GPL-3.0-or-later
"""What buttons and scripts call: thin operators over `scripting` and `link`.

An operator that cannot run says why in its `poll`, so that Blender shows the reason on the greyed-out button.
"""

from . import armatures, cameras, connection, generate, history, jobs, selecting, words

CLASSES = (
    *generate.CLASSES, *selecting.CLASSES, *words.CLASSES, *armatures.CLASSES, *jobs.CLASSES, *history.CLASSES,
    *cameras.CLASSES, *connection.CLASSES, *generate.HANDLERS,
)
