# SPDX-License-Identifier: GPL-3.0-or-later
"""Result -> scene: mesh, image, material, object, one undo step a result.

The functions here take plain arrays and maps; they know nothing of sockets and jobs. They add beside what the artist
has and never change it: the only datablocks they write to again or remove are previews that they made themselves.
"""
