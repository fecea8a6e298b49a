# SPDX-License-Identifier: GPL-3.0-or-later
"""An image-text scorer that takes no part in generating: a small judge for benchmarks and reports.

`Scorer` says how well pictures fit sentences and what kind, colour and pattern they show. It is trained by
`python -m backend.embedded.scorer train` on its own renders of the procedural objects and never gives a gradient to
anything that is generated.
"""

from backend.embedded.scorer.scorer import Reading, Retrieval, Scorer

__all__ = ["Reading", "Retrieval", "Scorer"]
