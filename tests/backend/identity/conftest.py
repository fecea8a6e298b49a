# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiny folders of the priors' tests serve here too."""

from tests.backend.priors.conftest import embedded_folders, encoder, public_folders

__all__ = ["embedded_folders", "encoder", "public_folders"]
