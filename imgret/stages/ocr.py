"""Text in the image: signs, labels, plates, screenshots, pages. Read by rapidocr with the models in its package.

The payload is the lines. Only lines of which the models are sure are kept: a wrong word in the index is found for years.
"""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from imgret.errors import PhotoError
from imgret.photo import Corners, ModelIdentity, TextLine
from imgret.stages.interface import (
    PIXELS,
    Item,
    LabelMatcher,
    Result,
    Stage,
    StageModel,
    StageSettings,
    TextColumn,
)
from imgret.weights import BUILT_IN

if TYPE_CHECKING:
    from imgret.models.text_reader import TextReader
    from imgret.places import Places
    from imgret.weights.sources import Weights

# detection, recognition, direction; in the folder `models` of the package
MODELS = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx", "ch_ppocr_mobile_v2.0_cls_mobile.onnx")
MOST_LINES = 200  # of a photo; the surest ones are kept
MOST_CHARACTERS = 300  # of a line
SURE_OF_ONE = 0.99  # the least confidence of a single character: poles and windows look like 1, I and 口
SURE_OF_FEW = 0.98  # the same for at most FEW Latin letters: pieces of words, and words with a wrong letter
FEW = 5
PART = 6  # letters from which on a part of a longer word is what was searched; the words index has the same
SHOWN_LINES = 12  # in `imgret show` and the picker
SHOWN_CHARACTERS = 80  # of a line there


class OcrSettings(StageSettings, frozen=True):
    """`[ocr]`."""

    confidence: float = 0.9  # the least mean probability of a line's characters


class OcrModel(StageModel):
    """Adapts a reader of text to the interface of a stage model."""

    def __init__(self, reader: TextReader, identity: ModelIdentity, confidence: float) -> None:
        self.reader, self.identity, self._confidence = reader, identity, confidence

    def run(self, items: Sequence[Item]) -> list[Result | PhotoError]:
        """Return the lines of each photo."""
        return [self._result(item) for item in items if item.pixels is not None]

    def close(self) -> None:
        """End the reading process."""
        self.reader.close()

    def _result(self, item: Item) -> Result | PhotoError:
        assert item.pixels is not None
        try:
            return Result(kept(self.reader.read(item.pixels), self._confidence))
        except PhotoError as error:
            return error


class Ocr(Stage):
    """The ocr stage. Its payload is the lines, in reading order; it is empty if there is no text."""

    name = "ocr"
    inputs = (PIXELS,)
    tier = 2
    settings = OcrSettings
    ranges = {"confidence": (0, 1)}
    version = "2"
    payload = tuple[TextLine, ...]
    noun = "texts in photos"
    lack = "no text that stands in photos"
    columns = (TextColumn("ocr", substrings=True),)

    def locate(self, settings: OcrSettings, places: Places) -> Weights:
        """Locate the models in the package; there are no others."""
        from imgret.weights import in_package, sources

        if settings.weights != BUILT_IN:
            problem = f"{settings.weights} is not known: text is read by the models of the package rapidocr"
            return sources.unusable(self.name, settings.weights, problem)
        return in_package.locate(
            self.name, "rapidocr", "models", MODELS, places, needs="onnxruntime", install="'imgret[ocr]'"
        )

    def shape(self, settings: OcrSettings) -> str:
        """Return the least confidence, and the version of this code."""
        return f"confidence={settings.confidence:g} version={self.version}"

    def load(self, settings: OcrSettings, places: Places, device: str) -> OcrModel:
        """Start the process that reads text. It computes on the CPU, whatever the device."""
        folder, identity = self.checked(settings, places)
        from imgret.models.text_reader import TextReader

        reader = TextReader([os.path.join(folder, name) for name in MODELS])
        return OcrModel(reader, identity, settings.confidence)

    def texts(self, payload: tuple[TextLine, ...]) -> Mapping[str, str]:
        """Return the lines."""
        return {"ocr": "\n".join(line.text for line in payload)}

    def json(self, payload: tuple[TextLine, ...] | None) -> dict[str, Any]:
        """Return `text`: the lines with their boxes."""
        return {"text": [msgspec.to_builtins(line) for line in payload or ()]}

    def rows(self, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the first lines in one row."""
        lines = [shortened(line["text"]) for line in shown["text"]]
        more = [f"… {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
        return [("text", " | ".join([*lines[:SHOWN_LINES], *more]))] if lines else []

    def why(self, shown: Mapping[str, Any], word: str, matching: LabelMatcher) -> list[str]:
        """Return the line in which the word stands: `text: RESTRICTED AREA`."""
        line = next((line["text"] for line in shown["text"] if holds(line["text"], word)), None)
        return [] if line is None else [_reason(line)]

    def why_contained(self, shown: Mapping[str, Any], part: str) -> list[str]:
        """Return the line that contains the part, or the lines if it begins in one and ends in another."""
        texts = [line["text"] for line in shown["text"]]
        letters = [_letters(text) for text in texts]
        wanted = _letters(part)
        first = "".join(letters).find(wanted) if wanted else -1
        if first < 0:
            return []
        ends = list(itertools.accumulate(map(len, letters)))
        spans = zip(texts, letters, ends, strict=True)
        return [
            _reason(text)
            for text, own, end in spans
            if end > first and end - len(own) < first + len(wanted) and own
        ]

    def outlines(self, shown: Mapping[str, Any], reasons: Collection[str]) -> list[Corners]:
        """Return the corners of the lines that are among the reasons."""
        return [tuple(line["box"]) for line in shown["text"] if _reason(line["text"]) in reasons]


STAGE = Ocr()


def kept(lines: Iterable[TextLine], confidence: float) -> tuple[TextLine, ...]:
    """Return the lines that are sure enough, cleaned, at most MOST_LINES of them, in the same order."""
    found = []
    for line in lines:
        text = cleaned(line.text)
        letters = sum(character.isalnum() for character in text)
        if letters and line.confidence >= max(confidence, _least(text, letters)):
            found.append(replace(line, text=text))
    if len(found) > MOST_LINES:
        least = sorted((line.confidence for line in found), reverse=True)[MOST_LINES - 1]
        found = [line for line in found if line.confidence >= least][:MOST_LINES]
    return tuple(found)


def _least(text: str, letters: int) -> float:
    if letters == 1:
        return SURE_OF_ONE
    return SURE_OF_FEW if letters <= FEW and text.isascii() else 0.0


def cleaned(text: str) -> str:
    """Return a line without control, format and unassigned characters, of at most MOST_CHARACTERS."""
    plain = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    return " ".join(plain.split())[:MOST_CHARACTERS].rstrip()


def holds(line: str, word: str) -> bool:
    """Return whether the word stands in the line: as a word, or, if it is long, in one that has no spaces.

    Case, accents and punctuation do not matter; a plural or another ending of up to two letters does not, either.
    """
    wanted = _letters(word)
    if not wanted:
        return False
    if len(wanted) >= PART and wanted in _letters(line):
        return True
    parts = [*line.split(), *re.split(r"\W+", line)]  # `13:21` and `13`
    return any(_same(_letters(part), wanted) for part in parts)


def _same(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return long == short or (
        len(short) > 2 and long.startswith(short) and long[len(short) :] in ("s", "es", "ed")
    )


def _letters(text: str) -> str:
    """Fold as the words index does, approximately: this decides only what is shown."""
    return "".join(each for each in unicodedata.normalize("NFKD", text).casefold() if each.isalnum())


def _reason(line: str) -> str:
    return f"text: {shortened(line)}"


def shortened(text: str) -> str:
    """Return at most SHOWN_CHARACTERS of a line."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
