# SPDX-License-Identifier: GPL-3.0-or-later
"""Segmenting by clicks: of pictures by colours and edges or by SAM, of meshes by ids, by their surface, or by lifting
masks from views."""
