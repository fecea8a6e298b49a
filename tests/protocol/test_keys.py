# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairing strings survive what people do to them, say what is wrong otherwise, and secrets stay private."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import BadRequest, NotAllowed, VersionMismatch
from protocol.keys import KeyPair, Keys, Pairing, check_private, fingerprint, read_pairing_file, write_private

SERVER, OWN = KeyPair.new(), KeyPair.new()
PAIRING = Pairing("ann", "tcp://render1.studio:5570", Keys(SERVER.public, OWN.secret))


@pytest.mark.parametrize("pairing", [
    PAIRING,
    Pairing("gpu-2.local", "tcp://[fe80::1]:5571", Keys(bytes(32), b"\xff" * 32), "worker"),
    Pairing("a" * 32, "tcp://" + "h" * 200 + ":65535", Keys(SERVER.public, OWN.secret)),
])
def test_round_trip(pairing):
    text = pairing.text()
    assert text.isalnum() and text.startswith("mq1") and text == text.lower()
    assert Pairing.parse(text) == pairing


def test_forgives_what_pasting_does():
    text = PAIRING.text()
    wrapped = "\r\n  ".join(text[at : at + 40] for at in range(0, len(text), 40))
    for pasted in (f"  {text}\n", f'"{text}"', text.upper(), f"\ufeff{wrapped}\u200b", f"`{text}`"):
        assert Pairing.parse(pasted) == PAIRING


@given(st.integers(3, len(PAIRING.text()) - 1), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_one_wrong_letter_is_noticed(place, letter):
    text = PAIRING.text()
    if text[place] == letter:
        return
    damaged = text[:place] + letter + text[place + 1 :]
    try:
        assert Pairing.parse(damaged) == PAIRING  # only bits that base32 does not use may differ
        assert place == len(text) - 1
    except BadRequest as problem:
        assert "checksum" in problem.message and "keys pair" in problem.hint


@given(st.text(max_size=300))
def test_anything_else_is_refused_with_advice(text):
    with pytest.raises((BadRequest, VersionMismatch)) as caught:
        Pairing.parse(text)
    assert caught.value.hint


@pytest.mark.parametrize("end", range(0, 160, 7))
def test_a_string_cut_off_is_refused(end):
    with pytest.raises(BadRequest):
        Pairing.parse(PAIRING.text()[:end])


def test_a_later_format_asks_for_an_update():
    with pytest.raises(VersionMismatch, match="format 2"):
        Pairing.parse("mq2" + PAIRING.text()[3:])


@pytest.mark.parametrize("change", [
    {"name": ""}, {"name": "a b"}, {"name": "-x"}, {"name": "x" * 33}, {"name": "../x"}, {"address": "render1:5570"},
    {"address": "tcp://render1"}, {"address": "tcp://a b:1"}, {"address": "ipc:///x"}, {"kind": "admin"},
])
def test_what_a_pairing_cannot_say(change):
    with pytest.raises(BadRequest):
        Pairing(**{"name": "ann", "address": "tcp://h:1", "keys": PAIRING.keys, "kind": "client"} | change)


def test_keys_belong_together_and_are_not_printed():
    assert KeyPair.of(OWN.secret) == OWN and OWN.public != OWN.secret
    assert len(fingerprint(OWN.public)) == 19 and fingerprint(OWN.public) != fingerprint(SERVER.public)
    assert KeyPair.new() != KeyPair.new()
    for one in (OWN, PAIRING):
        assert OWN.secret.hex() not in repr(one) and repr(OWN.secret) not in repr(one)
    with pytest.raises(BadRequest):
        Keys(bytes(31), bytes(32))


def test_pairing_files_are_private(tmp_path):
    path = tmp_path / "hub.pairing"
    write_private(path, PAIRING.text() + "\n")
    assert read_pairing_file(path) == PAIRING
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["hub.pairing"]
    with pytest.raises(BadRequest, match="cannot be read"):
        read_pairing_file(tmp_path / "none")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize(("mode", "found"), [(0o600, 0o640), (0o600, 0o604), (0o700, 0o750), (0o700, 0o777)])
def test_wide_modes_are_refused_with_advice(tmp_path, mode, found):
    path = tmp_path / "secret"
    path.write_text(PAIRING.text())
    path.chmod(found)
    with pytest.raises(NotAllowed) as caught:
        check_private(path, mode)
    assert f"chmod {mode:o} {path}" in caught.value.hint and f"{found:04o}" in caught.value.message
    path.chmod(mode)
    check_private(path, mode)
