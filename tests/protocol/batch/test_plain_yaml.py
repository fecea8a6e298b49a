# SPDX-License-Identifier: GPL-3.0-or-later
"""Our YAML reads what people write as PyYAML does, where YAML 1.1 has no surprises, and says the line of the rest."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.batch import plain_yaml
from protocol.errors import BadRequest

DOCUMENTS = [
    "",
    "# nothing but a comment\n",
    "a: 1\nb: two words\nc: 3.5\nd: true\ne: null\nf:\n",
    "jobs:\n  - prompt: a red mushroom   # with a comment\n    seed: 7\n  - prompt: 'a #1 chair'\n",
    "jobs:\n- a\n- b c\n-\n- - nested\n  - list\n",
    "a: [1, 2.5, x y, 'q, r', \"s\\nt\", [3], {k: v, l: [4]}]\nb: {}\nc: []\n",
    "---\ntext: |\n  first\n    second\n\n  third\nafter: 1\n",
    "text: >-\n  these are\n  one line\nb: 2\n",
    "a:\n  b:\n    c: deep\n  d: -3\n'quoted key': \"with \\\"quotes\\\" and # no comment\"\n",
    "url: http://host:80/path\ntime: 'a: b'\nminus: -x\n",
    "- prompt: it's fine\n  place: [0, -1.5, 2.0e+3]\n",
    "a: 'it''s'\nb: 007x\nc: 1.0.0\n",
    "a: a sentence that\n  goes on\n\n  and on\nb: 1\n- x\n"[:-4],
    "- words\n  and more # a comment\n- k: v\n   w\n",
    "a: 'single # no comment\n  goes ''on'' \n\n  here' # a comment\n"
    "b: \"dou\\\n  \\ ble # no \\\"comment\\\"\n  end\"\n",
    "a: [1,\n    two words,\n  {k: 'v ]',\n   l: 3}]  # end\nb: 1\n",
    "key:\n  begins below\n  and goes on\nc: 2\n",
    'e: "\\x41\\u00e9\\U0001F344\\e"\n',
]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_reads_as_the_reference_does(text):
    assert plain_yaml.load(text) == yaml.safe_load(text)


def test_words_stay_words():
    assert plain_yaml.load("a: no\nb: on\nc: 1e3\nd: 0o7") == {"a": "no", "b": "on", "c": 1000.0, "d": "0o7"}


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("a: 1\n\tb: 2\n", 2, "tab"),
        ("a: 1\na: 2\n", 2, "second time"),
        ("a: &x 1\n", 1, "anchors"),
        ("a: *x\n", 1, "anchors"),
        ("a: !tag 1\n", 1, "tags"),
        ("a: [1, 2\n", 1, "no closing"),
        ("a: 'open\n", 1, "not closed"),
        ("a: 1\n   b: 2\n", 2, "indented more"),
        ("a: one # ends here\n   two\n", 2, "indented more"),
        ("a: 'one\ntwo'\n", 1, "not closed"),
        ("a: 'one\n  two' three\n", 2, "after the closing quote"),
        ('a: "\\ud83c"\n', 1, "half of a pair"),
        ("a: b: c\n", 1, "quotes"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: 1\njust words\n", 2, "name: value"),
        ("a: \"\\q\"\n", 1, "escape"),
        ("a: |2\n  x\n", 1, "block header"),
        ("a: " + "[" * 30 + "]" * 30, 1, "nested"),
    ],
)
def test_the_rest_is_refused_with_its_line(text, line, why):
    with pytest.raises(BadRequest, match=why) as refused:
        plain_yaml.load(text)
    assert refused.value.detail["line"] == line


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-10**9, 10**9) | words | st.floats(-1e6, 1e6, allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words.filter(lambda w: w.strip()), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(values, st.sampled_from((80, 20, 10_000)), st.booleans())
def test_what_the_reference_writes_is_read_or_refused(value, width, unicode):
    """Whatever PyYAML writes in our part of the language is read back exactly; what lies outside is refused, not
    read as something else."""
    text = yaml.safe_dump(value, allow_unicode=unicode, width=width, default_flow_style=False)
    try:
        found = plain_yaml.load(text)
    except BadRequest:
        return
    assert found == yaml.safe_load(text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(list("ab01:-#[]{},'\"|> \n\t.&*!\\~")), max_size=40))
def test_nothing_but_our_own_error_is_raised(text):
    try:
        plain_yaml.load(text)
    except BadRequest as refused:
        assert "line" in refused.detail


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(words.filter(lambda w: w.strip()), st.text(max_size=200), max_size=3), max_size=3),
       st.sampled_from((None, 1)), st.booleans())
def test_what_json_writes_is_read(value, indent, unicode):
    text = json.dumps(value, indent=indent, ensure_ascii=not unicode, separators=None if indent else (",", ":"))
    if unicode:  # line ends of Unicode are none in JSON
        text = re.sub("[\x85\u2028\u2029]", " ", text)
        value = json.loads(text)
    assert plain_yaml.load(text) == value


def test_a_doubled_quote_is_no_end_that_a_comment_could_follow():
    assert plain_yaml.load("- 'it''s #1 # of all'  # a comment\n") == ["it's #1 # of all"]
    assert plain_yaml.load("- 'all'' #1'\n- \"a \\\" # b\"\n") == ["all' #1", 'a " # b']


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.sampled_from("ab,'\"#: \nü🍄"), min_size=30, max_size=300), min_size=1, max_size=3),
       st.booleans())
def test_long_texts_of_the_reference_are_read(value, unicode):
    """Texts that it breaks over lines, as every program does that writes its manifest with it."""
    assert plain_yaml.load(yaml.safe_dump(value, allow_unicode=unicode)) == value
