# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sentence of the interface is there in every language, and no dictionary holds what nobody shows."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from blender_addon import connection, jobs, translations, words
from blender_addon.translations import po

ROOT = Path(__file__).resolve().parents[2]
DICTIONARIES = {file: translations.texts(file) for file in sorted(set(translations.FILES.values()))}
GERMAN = DICTIONARIES["de.po"]
PLACES = re.compile(r"\{[^}]*\}")
FROM_ELSEWHERE = {
    # errors of the protocol's client that come up in every session
    "The connection to the hub broke.", "It is tried again.",
}


def interface_strings():
    spec = importlib.util.spec_from_file_location("interface_strings", Path(__file__).with_name("interface_strings.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stages() -> set[str]:
    """The stages that recipes name, which the panel shows."""
    found = set()
    for path in (ROOT / "backend").rglob("*.py"):
        found |= set(re.findall(r'\bstage\(\s*"([^"]+)"', path.read_text(encoding="utf-8")))
    return {name.replace("_", " ") for name in found} | {"starting the worker"}


def steps() -> set[str]:
    """The steps of an installation."""
    tree = ast.parse((ROOT / "blender_addon" / "installation.py").read_text(encoding="utf-8"))
    called = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Step"]
    return {node.args[0].value for node in called} | {"installed"}


def all_sentences() -> dict[str, str]:
    found = interface_strings().shown()
    for group, texts in {
        "states of a job": jobs.WORDS.values(), "states of the connection": [one.value for one in connection.State],
        "stages": stages(), "steps of an installation": steps(), "the protocol": FROM_ELSEWHERE,
    }.items():
        for text in texts:
            found.setdefault(text, group)
    return found


def test_the_search_finds_what_is_known_to_be_there():
    found = all_sentences()
    for text in ("Generate", "Prompt", "What the object should not look like", "No job is running", "{0} has no faces",
                 "Seed", "working", "coarse"):
        assert text in found, text
    assert len(found) > 200


@pytest.mark.parametrize("language", DICTIONARIES)
def test_every_sentence_is_translated(language):
    missing = {text: place for text, place in all_sentences().items() if text not in DICTIONARIES[language]}
    assert not missing, json.dumps(missing, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("language", DICTIONARIES)
def test_no_translation_is_left_over(language):
    unused = sorted(set(DICTIONARIES[language]) - set(all_sentences()))
    assert not unused, json.dumps(unused, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("language", DICTIONARIES)
def test_places_for_values_are_kept(language):
    for text, translated in DICTIONARIES[language].items():
        assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(translated)), text
        assert translated.strip() and (text[-1] in ".!" or translated[-1] not in ".。"), text


@pytest.fixture
def speaking_german(monkeypatch):
    monkeypatch.setattr(translations, "_speaks_another", lambda: True)
    pgettext = type("T", (), {"pgettext_iface": staticmethod(lambda text, context: GERMAN.get(text, text))})
    monkeypatch.setattr(translations.bpy, "app", type("A", (), {"translations": pgettext}))


def test_finished_sentences_are_recognised_by_their_form(speaking_german):
    assert translations.sentence("Cube.001 has no faces") == "Cube.001 hat keine Flächen"
    assert translations.sentence("This session has no job {0} of 3.") == "Diese Sitzung hat keinen Auftrag {0} of 3."
    assert translations.sentence("a sentence of nobody's") == "a sentence of nobody's"


def test_errors_are_told_whole(speaking_german):
    from blender_addon import wire

    error = wire.errors.BadRequest("There is nothing at /x.", hint="Correct Source.")
    assert words.whole(error) == "Unter /x ist nichts. Quelle berichtigen."


SCRIPT = """
import json, os, sys
sys.path.insert(0, os.environ["REPOSITORY"])
import bpy
from blender_addon import translations, words
found = {}
translations.register("maquette")
connect = translations.claim(type("Button", (), {"bl_label": "Connect"}))
view = bpy.context.preferences.view
for locale in [one for one in bpy.app.translations.locales if one in translations.FILES]:
    view.language = locale
    view.use_translate_interface = True
    found[locale] = [words.say("Select Result"), words.say("{count} min ago", count=3), words.say("Cube has no faces"),
                     words.say("History"),
                     bpy.app.translations.pgettext(connect.bl_label, connect.bl_translation_context)]
translations.unregister("maquette")
found["after"] = words.say("Select Result")
print("FOUND", json.dumps(found))
"""


@pytest.mark.skipif(shutil.which("blender") is None, reason="Blender's module has no languages; a program has")
def test_a_program_shows_them():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        ["blender", "-b", "--factory-startup", "--python-expr", SCRIPT], env=environment | {"REPOSITORY": str(ROOT)},
        capture_output=True, text=True, timeout=120,
    )
    line = next((one for one in done.stdout.splitlines() if one.startswith("FOUND ")), None)
    assert line is not None, done.stdout + done.stderr
    found = json.loads(line.removeprefix("FOUND "))
    assert found.pop("after") == "Select Result"
    assert any(locale.startswith("de") for locale in found) and any(locale.startswith("zh") for locale in found)
    for locale, said in found.items():
        texts = translations.texts(translations.FILES[locale])
        assert said == [
            texts["Select Result"], texts["{count} min ago"].format(count=3),
            texts["{0} has no faces"].replace("{0}", "Cube"),
            texts["History"], texts["Connect"],  # which Blender itself calls otherwise
        ]


def test_the_dictionaries_are_sorted():
    for texts in DICTIONARIES.values():
        assert list(texts) == sorted(texts, key=str.lower)


def test_every_language_has_its_file_and_no_file_is_left_over():
    folder = Path(translations.__file__).parent
    assert {one.name for one in folder.glob("*.po")} == set(translations.FILES.values())


def test_po_files_are_read_as_translators_programs_write_them(tmp_path):
    path = tmp_path / "x.po"
    path.write_text(
        '# a comment\nmsgid ""\nmsgstr "Language: x\\n"\n\n'
        '#: file.py:3\nmsgid "One \\"word\\""\nmsgstr "Ein \\"Wort\\""\n'
        'msgid ""\n"over "\n"lines"\nmsgstr ""\n"auf "\n"Zeilen"\n\nmsgid "not yet"\nmsgstr ""\n', encoding="utf-8",
    )
    assert po.read(path) == {'One "word"': 'Ein "Wort"', "over lines": "auf Zeilen"}
    for broken in ('msgid "a\n', "hello\n", 'msgctxt "a"\n'):
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(po.BrokenFile, match="line 1"):
            po.read(path)
