# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes that train the embedded priors from procedural objects.

`dataset` renders captioned shards, `pixel_prior`, `autoencoder` and `latent_prior` are the three recipes,
`loop` is the resumable training loop they share, `samples` draws what a prior knows, and `export` writes the
diffusers folders that ship in `backend/embedded/weights`. Run them with `python -m backend.embedded.training`.
"""
