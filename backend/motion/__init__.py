# SPDX-License-Identifier: GPL-3.0-or-later
"""How figures move: a sentence becomes a motion of a skeleton.

`library` chooses and joins what a sentence asks for; `gaits`, `gestures` and `creatures` make motion out of nothing
but the skeleton's own measures; `clips` reads what others recorded and `retarget` carries it over; `take` holds what
moves in one form for all of them; `clean` keeps feet on the floor. All of it is numpy; only the motion autoencoder
needs torch.
"""
