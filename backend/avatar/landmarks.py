# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on a body, as smooth numbers per vertex, so that clothes can be cut along them on any body.

A sleeve ends at `arm` 0.6, a trouser leg at `level` 1.1, a collar at `neck` 0.2, whoever wears it. Numbers are
interpolated over triangles, so an edge drawn where one of them passes a value is smooth however coarse the mesh is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.avatar.body import EYE, Body

Doubles = NDArray[np.float64]

FIELDS = ("x", "y", "z", "level", "arm", "neck", "face_x", "face_y", "face_z", "lips", "eye", "turn")
"""x, y, z: place at rest, metres. level: 0 soles, 1 ankles, 2 knees, 3 crotch, 4 waist, 5 shoulders, 6 chin, 7 crown.
arm: below 0 off the arms, 0 shoulder, 1 elbow, 2 wrist, 3 fingertips. neck: height over the neck joint along the neck,
in neck lengths. face_x, face_y, face_z: place relative to the middle between the eyes, in distances between the eyes
(y grows towards the back). lips: 0..1. eye: -1 off the eyeballs, else distance from the gaze over the eye's radius.
turn: azimuth around the trunk in radians, 0 at the front, positive towards the left arm."""
INDEX = {name: i for i, name in enumerate(FIELDS)}


@dataclass(frozen=True)
class Landmarks:
    """Heights, places and sizes of one body, metres.

    levels (8,) heights of `level` 0 to 7; eyes (2, 3) centres, left first; eye_radius; gaze: distance between the
    eyes; crown, chin, nape heights; head_centre (3,), head_radii (3,) half extents of the skull without the ears.
    """

    levels: Doubles
    eyes: Doubles
    eye_radius: float
    gaze: float
    head_centre: Doubles
    head_radii: Doubles


def landmarks(body: Body) -> Landmarks:
    """The landmarks of a body at rest."""
    asset, v = body.asset, body.vertices.astype(np.float64)
    eye_vertices = np.unique(asset.faces[asset.face_parts == EYE])
    left = eye_vertices[v[eye_vertices, 0] > 0]
    right = eye_vertices[v[eye_vertices, 0] <= 0]
    eyes = np.stack([(v[one].max(0) + v[one].min(0)) / 2 for one in (left, right)])
    radius = float(np.ptp(v[left, 2]) / 2)
    crown = float(v[:, 2].max())
    # The crotch is the lowest skin on the middle line above the knees.
    hip, knee = body.heads[asset.joint("LeftUpLeg")], body.heads[asset.joint("LeftLeg")]
    middle = (np.abs(v[:, 0]) < 0.012 * body.height) & (v[:, 2] > 0.5 * (hip[2] + knee[2])) & (v[:, 2] < hip[2] + 0.05)
    crotch = float(v[middle, 2].min()) if middle.any() else float(hip[2] - 0.06 * body.height)
    gaze = float(np.linalg.norm(eyes[0] - eyes[1]))
    head = asset.joint("Head")
    skull = (asset.weight_joints[:, 0] == head) & (v[:, 2] > eyes[:, 2].mean())
    low, high = v[skull].min(0), v[skull].max(0)
    above_ears = skull & (v[:, 2] > eyes[:, 2].mean() + 0.6 * gaze)
    wide = float(np.abs(v[above_ears, 0]).max())
    centre = np.array([0.0, (low[1] + high[1]) / 2, eyes[:, 2].mean() + 0.15 * gaze])
    radii = np.array([wide, (high[1] - low[1]) / 2, crown - centre[2]])
    lips = v[asset.lips > 0.5].mean(0)
    chin = lips[2] - 0.75 * gaze
    levels = np.array([
        0.0, body.heads[asset.joint("LeftFoot")][2], knee[2], crotch, body.heads[asset.joint("Spine1")][2],
        body.heads[asset.joint("LeftArm")][2], chin, crown,
    ])  # fmt: skip
    return Landmarks(np.maximum.accumulate(levels + 1e-6 * np.arange(8)), eyes, radius, gaze, centre, radii)


def fields(body: Body, marks: Landmarks) -> NDArray[np.float32]:
    """(V, len(FIELDS)) float32: the numbers of every vertex."""
    asset, v = body.asset, body.vertices.astype(np.float64)
    out = np.zeros((len(v), len(FIELDS)))
    out[:, :3] = v
    out[:, INDEX["level"]] = np.interp(v[:, 2], marks.levels, np.arange(8.0))
    out[:, INDEX["arm"]] = _arm(body)
    neck, head = body.heads[asset.joint("Neck")], body.heads[asset.joint("Head")]
    axis = (head - neck) / np.linalg.norm(head - neck)
    out[:, INDEX["neck"]] = (v - neck) @ axis / np.linalg.norm(head - neck)
    between = marks.eyes.mean(0)
    out[:, INDEX["face_x"] : INDEX["face_z"] + 1] = (v - between) / marks.gaze
    out[:, INDEX["lips"]] = asset.lips
    eye = np.full(len(v), -1.0)
    eyeball = np.unique(asset.faces[asset.face_parts == EYE])
    for centre in marks.eyes:
        own = eyeball[(v[eyeball, 0] > 0) == (centre[0] > 0)]
        aside = np.linalg.norm((v[own] - centre)[:, [0, 2]], axis=1) / marks.eye_radius
        eye[own] = np.where(v[own, 1] < centre[1], aside, 2.0)
    out[:, INDEX["eye"]] = eye
    out[:, INDEX["turn"]] = np.arctan2(v[:, 0], -(v[:, 1] - body.heads[asset.joint("Spine1")][1]))
    return out.astype(np.float32)


def _arm(body: Body) -> Doubles:
    """(V,) the field `arm`."""
    asset, v = body.asset, body.vertices.astype(np.float64)
    out = np.zeros(len(v))
    share = np.zeros(len(v))
    for side in ("Left", "Right"):
        chain = [body.heads[asset.joint(side + name)] for name in ("Arm", "ForeArm", "Hand")]
        chain.append(body.tails[asset.joint(side + "HandMiddle3")])
        starts = (side + "Arm", side + "ForeArm", side + "Hand")
        members = [j for j, name in enumerate(asset.names) if name.startswith(starts)]
        weight = (asset.weights * np.isin(asset.weight_joints, members)).sum(1)
        best, along = np.full(len(v), np.inf), np.zeros(len(v))
        for i, (a, b) in enumerate(zip(chain[:-1], chain[1:], strict=True)):
            t = ((v - a) @ (b - a)) / ((b - a) @ (b - a))
            low = -0.5 if i == 0 else 0.0
            t = np.clip(t, low, 1.0 if i < 2 else 1.5)
            distance = np.linalg.norm(v - a - t[:, None] * (b - a), axis=1)
            nearer = distance < best
            best, along = np.where(nearer, distance, best), np.where(nearer, i + t, along)
        mine = weight > share
        share = np.where(mine, weight, share)
        out = np.where(mine, along, out)
    # Towards the trunk the number falls below 0 with the arm's share of the skin.
    return np.where(share > 0.5, np.maximum(out, 0.3 * (share - 0.5)), np.minimum(out, 0.3 * (share - 0.5)))
