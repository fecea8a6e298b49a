# SPDX-License-Identifier: GPL-3.0-or-later
"""What these tests share with the others of tensor code."""

from tests.backend.devices import device, generator  # noqa: F401
