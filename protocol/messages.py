# SPDX-License-Identifier: GPL-3.0-or-later
"""One dataclass for each message of the protocol, and the job specs that a SUBMIT carries."""

from __future__ import annotations

from .specs import JobSpec, TextTo3DSpec, spec_from_map

__all__ = ["JobSpec", "TextTo3DSpec", "spec_from_map"]
