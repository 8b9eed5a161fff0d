from __future__ import annotations

import unicodedata

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.store import fold
from imgret.store.sqlite import sql_functions

ANY = st.text(st.characters(), max_size=40)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Café MÜLLER", "cafe muller"),
        ("Straße", "strasse"),
        ("Łódź Ærø Đorđe Þór œuvre", "lodz aero dorde thor oeuvre"),
        ("İstanbul Isparta ığdır", "istanbul isparta igdir"),
        ("ΟΔΥΣΣΕΎΣ", "οδυσσευσ"),
        ("ёлка Йод", "елка йод"),  # й is a letter of its own
        ("ＡＢＣ１２３ ﾗｰﾒﾝ", "abc123 ラーメン"),
        ("がぎ ガ", "がぎ ガ"),  # the marks of kana make other syllables
        ("바다", "바다"),
        ("❤️👍🏽 1️⃣", "❤👍 1"),
        ("co\u00adoperate", "cooperate"),
        ("a\ud800b", "a\ufffdb"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold.fold(text) == folded
    assert fold.fold(unicodedata.normalize("NFD", text)) == folded


@given(ANY)
def test_folding_is_idempotent_and_its_result_can_be_encoded(text: str) -> None:
    once = fold.fold(text)
    once.encode()
    assert fold.fold(once) == once


@given(st.text(max_size=40), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_normal_forms_fold_alike(text: str, form: str) -> None:
    assert fold.fold(unicodedata.normalize(form, text)) == fold.fold(text)  # type: ignore[arg-type]


def test_letters_of_the_fast_path_fold_as_in_a_whole_text() -> None:
    """The fast path for most names returns the same result as the general one."""
    letters = [chr(code) for code in range(0x10000) if fold._PLAIN.fullmatch(chr(code))]
    assert len(letters) > 30_000
    assert [letter for letter in letters if fold.fold(letter) != fold._fold(letter)] == []
    latin = [letter for letter in letters if letter < "\u0250"]
    pairs = " ".join(one + other for one in latin for other in latin[:: len(latin) // 40])
    assert fold.fold(pairs) == fold._fold(pairs)


@given(
    st.text(
        st.sampled_from("aIßİıſéÅŉǆЙйЁёΣσςΐがガ한海 .") | st.characters(max_codepoint=0x1FFF), max_size=12
    )
)
def test_the_fast_path_never_differs(text: str) -> None:
    assert fold.fold(text) == fold._fold(fold.encodable(text))


def test_emoji_and_characters_of_unspaced_scripts_are_single_words() -> None:
    assert fold.cut("🎂Anna👨‍👩‍👧").split() == ["🎂", "anna", "👨", "👩", "👧"]
    assert fold.cut("海滩 beach").split() == ["海", "滩", "beach"]
    assert fold.cut("20°C © Rosa").split() == ["20", "c", "rosa"]


@pytest.mark.parametrize(
    ("text", "word"), [("->", False), ("!?,", False), ("", False), ("🎂", True), ("é", True), ("-2", True)]
)
def test_has_word(text: str, word: bool) -> None:
    assert fold.has_word(text) == word


def test_the_sql_functions_return_the_same() -> None:
    db = apsw.Connection(":memory:")
    sql_functions.register(db)
    assert db.execute(
        "SELECT folded(?), cut(?)", ("MÜN\u0308".encode() + b"\xff", "Straße🎂")
    ).fetchone() == (
        "mun\ufffd",
        "strasse 🎂 ",
    )
