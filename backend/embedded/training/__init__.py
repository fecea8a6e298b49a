# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes that train the embedded priors from procedural objects.

`dataset` renders captioned shards, `pixel_prior`, `autoencoder` and `latent_prior` are the three recipes, `control`
teaches a finished prior to see the shape that it paints, `loop` is the resumable training loop they share, `watch`
draws what a prior knows, and `export` writes the diffusers folders that ship in `backend/embedded/weights`. Run them
with `python -m backend.embedded.training`.
"""
