"""What the ocr stage keeps of the lines that were read, and what it gives to the search and to people."""

from __future__ import annotations

import importlib.util
import unicodedata
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.config import Settings, parse, places
from imgret.errors import PhotoError
from imgret.photo import TextLine
from imgret.pipeline import loading
from imgret.stages import registry
from imgret.stages.interface import Item
from imgret.stages.ocr import (
    MOST_CHARACTERS,
    MOST_LINES,
    SHOWN_CHARACTERS,
    STAGE,
    OcrModel,
    OcrSettings,
    _letters,
    cleaned,
    holds,
    kept,
)

BOX = (0.1, 0.1, 0.5, 0.1, 0.5, 0.2, 0.1, 0.2)
NONE_MATCHING = lambda word, labels: ()  # noqa: E731


def line(text: str, confidence: float = 0.99) -> TextLine:
    return TextLine(text, confidence, BOX)


def shown(*texts: str) -> dict[str, Any]:
    """The JSON of a photo with these lines, as a program gets it."""
    return msgspec.json.decode(msgspec.json.encode(STAGE.json(tuple(line(text) for text in texts))))


@given(st.text())
def test_a_cleaned_line_is_short_and_safe(text: str) -> None:
    found = cleaned(text)
    assert len(found) <= MOST_CHARACTERS
    assert not {unicodedata.category(each) for each in found} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert cleaned(found) == found
    found.encode()


@given(
    st.lists(st.tuples(st.text(max_size=5), st.floats(0, 1)), max_size=300),
    st.floats(0, 1),
)
def test_only_sure_lines_with_letters_are_kept_in_their_order(
    read: list[tuple[str, float]], confidence: float
) -> None:
    lines = [line(text, sure) for text, sure in read]
    found = kept(lines, confidence)
    assert len(found) <= MOST_LINES
    assert all(each.confidence >= confidence and any(map(str.isalnum, each.text)) for each in found)
    texts = iter([(cleaned(each.text), each.confidence) for each in lines])
    assert all((each.text, each.confidence) in texts for each in found)  # a subsequence


def test_a_page_keeps_the_lines_of_which_the_models_are_surest() -> None:
    lines = [line(f"line number {number}", (0.9, 0.95)[number % 2]) for number in range(10_000)]
    found = kept(lines, 0.9)
    assert len(found) == MOST_LINES
    assert {each.confidence for each in found} == {0.95}
    assert [each.text for each in found[:2]] == ["line number 1", "line number 3"]


def test_few_characters_have_to_be_very_sure() -> None:
    read = [line("三", 0.981), line("5", 0.999), line("!?", 1.0), line("-7-", 0.95), line("24", 0.985)]
    read += [line("ARRNA", 0.966), line("EG", 0.974), line("超市找零", 0.93), line("VOLCOM", 0.955)]
    assert [each.text for each in kept(read, 0.9)] == ["5", "24", "超市找零", "VOLCOM"]
    assert [each.text for each in kept(read, 0.99)] == ["5"]


def test_escape_sequences_do_not_survive() -> None:
    (found,) = kept([line("\x1b]0;owned\x07 SALE\u202e 50%\u2028off")], 0.9)
    assert found.text == "]0;owned SALE 50% off"


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("AIRFRANCE", "france", True),
        ("AIRFRANCE", "air", False),
        ("RESTRICTED AREA", "Area", True),
        ("STATIONS", "station", True),
        ("PLANET", "plane", False),
        ("Café", "cafe", True),
        ("RE16 TGK", "re16tgk", True),
        ("北京 火车站", "火车站", True),
        ("at 13:21", "13:21", True),
        ("STOP", "!!!", False),
        ("", "stop", False),
    ],
)
def test_the_line_in_which_a_word_stands(text: str, word: str, expected: bool) -> None:
    assert holds(text, word) is expected
    assert STAGE.why(shown("other", text), word, NONE_MATCHING) == ([f"text: {text}"] if expected else [])


def test_a_part_is_in_one_line_or_begins_in_one_and_ends_in_another() -> None:
    photo = shown("AIRFRANCE", "RE16", "!", "TGK", "RE16")
    assert STAGE.why_contained(photo, "rfr") == ["text: AIRFRANCE"]
    assert STAGE.why_contained(photo, "re-16 tgk") == ["text: RE16", "text: TGK"]
    assert STAGE.why_contained(photo, "16re") == []
    assert STAGE.why_contained(photo, "?") == STAGE.why_contained(shown(), "a") == []


@given(st.lists(st.text(max_size=6), max_size=6), st.data())
def test_every_part_of_the_text_has_a_line(lines: list[str], data: st.DataObject) -> None:
    letters = "".join(map(_letters, lines))
    part = letters[data.draw(st.integers(0, len(letters))) :][: data.draw(st.integers(1, 20))]
    found = STAGE.why_contained(shown(*lines), part)
    assert bool(found) == bool(part)
    assert set(found) <= {f"text: {each}" for each in lines}
    assert part in "".join(_letters(each.removeprefix("text: ")) for each in found)


def test_the_lines_that_are_reasons_are_outlined() -> None:
    other = (0.5, 0.5, 0.9, 0.5, 0.9, 0.7, 0.5, 0.7)
    photo = STAGE.json((line("STOP"), TextLine("x" * 300, 1.0, other)))
    assert STAGE.outlines(photo, ["the image", "text: STOP"]) == [BOX]
    assert STAGE.outlines(photo, STAGE.why_contained(photo, "xxx")) == [other]
    assert STAGE.outlines(photo, ["STOP"]) == STAGE.outlines(STAGE.json(None), ["text: STOP"]) == []


@given(st.text(), st.text())
def test_no_line_and_no_word_is_refused(text: str, word: str) -> None:
    assert holds(text, word) in (True, False)
    assert not holds("", word)


def test_rows_are_short_whatever_was_read() -> None:
    assert STAGE.rows(shown()) == []
    assert STAGE.rows(shown("AIR FRANCE", "F-GSPZ")) == [("text", "AIR FRANCE | F-GSPZ")]
    ((name, text),) = STAGE.rows(shown(*("x" * 300 for _ in range(200))))
    assert name == "text"
    assert text.endswith("… 188 more lines")
    assert len(text) < 13 * (SHOWN_CHARACTERS + 3)


def test_a_payload_survives_json_and_gives_its_text_to_the_words_index() -> None:
    payload = (line("NO PARKING"), line('"quoted" OR NEAR('))
    assert STAGE.decode(msgspec.json.encode(payload)) == payload
    assert STAGE.texts(payload) == {"ocr": 'NO PARKING\n"quoted" OR NEAR('}
    assert STAGE.texts(()) == {"ocr": ""}
    assert STAGE.json(None) == {"text": []} == STAGE.json(())


class Reader:
    """Reads one text, and fails for dark images."""

    def read(self, pixels: Any) -> tuple[TextLine, ...]:
        if not pixels.any():
            raise PhotoError("its text was not read: it is dark")
        return (line("STOP"),)


def test_a_failure_fails_one_photo() -> None:
    import numpy as np

    identity = STAGE.identity(OcrSettings(), places())
    if identity is None:
        pytest.skip("rapidocr is not installed")
    model = OcrModel(Reader(), identity, 0.9)  # type: ignore[arg-type]
    images = [np.full((9, 9, 3), value, np.uint8) for value in (0, 255)]
    dark, light = model.run([Item(image) for image in images])
    assert isinstance(dark, PhotoError)
    assert light.payload[0].text == "STOP"  # type: ignore[union-attr]


@pytest.mark.parametrize("lacking", ["rapidocr", "onnxruntime"])
def test_without_a_package_the_stage_waits_and_reports_what_to_install(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == lacking else real(name, *rest)
    )
    skipped: dict[str, str] = {}
    models = loading.load_models(Settings(), places(), {"ocr"}, on_skip=skipped.__setitem__)
    assert "ocr" not in models
    assert skipped == {
        "ocr": f"no text that stands in photos: the package {lacking} is not installed."
        " Install it: `pip install 'imgret[ocr]'`."
    }
    assert "ocr" not in loading.identities(Settings(), places())


def test_other_weights_are_refused_in_a_sentence() -> None:
    settings = parse('[ocr]\nweights = "someone/ocr"')
    weights = loading.locate(registry.own()["ocr"], settings, places())
    assert not weights.present
    assert weights.problem == "someone/ocr is not known: text is read by the models of the package rapidocr"
    assert "ocr" not in parse('[ocr]\nweights = "none"').stages()


def test_another_version_of_the_package_or_another_confidence_is_another_model() -> None:
    identity = STAGE.identity(OcrSettings(), places())
    if identity is None:
        pytest.skip("rapidocr is not installed")
    assert identity.name.startswith("rapidocr-3.")
    assert identity.revision.startswith("sha256:")
    assert STAGE.identity(OcrSettings(confidence=0.5), places()) != identity
