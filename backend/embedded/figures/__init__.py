# SPDX-License-Identifier: GPL-3.0-or-later
"""Dressed people with captions: what teaches the embedded prior what somebody looks like, whole and close up."""

from .captions import captions, plain_caption
from .sampling import FigureSample, sample
from .source import Figures

__all__ = ["FigureSample", "Figures", "captions", "plain_caption", "sample"]
