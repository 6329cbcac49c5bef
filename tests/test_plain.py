"""What files and names say reaches the reader as letters, never as commands to a terminal."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otgan.plain import plain, plain_json, plain_lines

STEERING = [
    "\x1b[2J",
    "\x9b2J",
    "\x07",
    "\0",
    "\r",
    "\n",
    "\x7f",
    "\x85",
    "\u202e",
    "\u2066",
    "\u2028",
    "\u200b",
    "\ufeff",
]


@pytest.mark.parametrize("text", STEERING)
def test_what_steers_a_terminal_is_spelled_out(text):
    assert plain(f"a{text}b").isprintable()
    assert plain(f"a{text}b") == "a" + text.encode("unicode_escape").decode() + "b"
    assert plain_lines(f"a\n{text.strip()}b").isprintable() is False  # its own line break is kept
    assert json.loads(plain_json({text: [text]})) == {text: [text]}
    assert plain_json({text: [text]}).replace("\n", "").isprintable()


@pytest.mark.parametrize("text", ["", "a.csv", "Größe", "日本語", "ε ≤ ½ ± ∞ –", "😀", r"C:\new\x1b"])
def test_what_prints_is_kept(text):
    assert plain(text) == text
    assert plain_lines(text) == text


def test_json_keeps_true_names_and_has_no_infinity():
    assert plain_json({"Größe": [1.5]}) == '{\n  "Größe": [\n    1.5\n  ]\n}'
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            plain_json([value])


@given(text=st.text(st.characters(codec=None)))
def test_nothing_but_what_prints_comes_out(text):
    shown = plain(text)
    assert plain(shown) == shown
    assert not any(unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for letter in shown)
    assert json.loads(plain_json([text])) == json.loads(json.dumps([text]))
    assert plain_json([text], indent=None).isprintable()
