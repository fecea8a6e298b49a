# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene -> job spec: what the artist set, read once at the moment the button is pressed, and checked.

Nothing here talks to the hub or changes the scene.
"""
