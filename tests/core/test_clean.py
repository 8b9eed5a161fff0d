"""Text that is written to a terminal cannot control it."""

import json
import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.terminal.clean import REPLACEMENT, clean, escaped

HOSTILE = [
    "\x1b[2Jcleared",
    "\x1b]52;c;aGk=\x07",
    "\x9b2J",
    "line\nline",
    "tab\tcarriage\r",
    "\u202egpj.exe",
    "\u2066isolate\u2069",
    "\u2028\u2029",
    "\x7f",
    "\udc80",
    "\U0010eeee\u0305\u0305",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_characters_that_could_control_a_terminal_are_replaced(text: str) -> None:
    cleaned = clean(text)
    assert REPLACEMENT in cleaned
    assert len(cleaned) == len(text)


@given(st.text(alphabet=st.characters(blacklist_categories=[])))
def test_cleaning_is_idempotent_keeps_the_length_and_leaves_no_control(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert len(cleaned) == len(text)
    cleaned.encode("utf-8")  # no lone surrogate is left
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in cleaned)
    assert not any(unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF") for c in cleaned)


@given(st.binary())
def test_file_names_of_any_bytes_can_be_shown(name: bytes) -> None:
    assert clean(name) == clean(os.fsdecode(name))


def test_ordinary_text_is_unchanged() -> None:
    text = "Café [/] 写真 👩‍👩‍👧 naïve.jpg"
    assert clean(text) == text
    assert clean(text.encode()) == text


@given(st.text())
def test_escaped_json_is_equivalent_and_cannot_control_a_terminal(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    line = escaped(json.dumps({"path": text}, ensure_ascii=False).encode())
    assert json.loads(line) == {"path": text}
    assert clean(line) == line.decode()
