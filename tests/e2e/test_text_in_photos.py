"""Text in photos from the image to the hit: read for real, found by words, parts and filters, and shown."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from command_line import WORDLLAMA, Library, imgret, settle_clock
from PIL import Image, ImageDraw, ImageFont


def sign(path: Path, *lines: str) -> None:
    image = Image.new("RGB", (480, 320), "white")
    pen = ImageDraw.Draw(image)
    for at, text in enumerate(lines):
        pen.text((30, 40 + 80 * at), text, "black", ImageFont.load_default(48))
    image.save(path)


@pytest.fixture
def signs(empty: Library) -> Library:
    """Photos with text and without, described by the ocr stage and the small embedder."""
    empty.config.write_text(
        "decode_workers = 1\n" + WORDLLAMA.replace('[ocr]\nweights = "none"', "[ocr]\nconfidence = 0.8")
    )
    sign(empty.photos / "IMG_1.png", "AIRFRANCE", "RE16 TGK")
    sign(empty.photos / "IMG_2.png", "BAKERY")
    Image.new("RGB", (300, 200), "green").save(empty.photos / "IMG_3.png")
    Image.new("RGB", (1, 1), "red").save(empty.photos / "IMG_4.png")
    settle_clock(empty.photos)
    done = empty.index()
    assert done.code == 0, done.err
    return empty


def test_text_is_read_found_and_shown(signs: Library) -> None:
    if importlib.util.find_spec("rapidocr") is None:
        pytest.skip("rapidocr is not installed")
    plane, bakery = (str(signs.photos / name) for name in ("IMG_1.png", "IMG_2.png"))
    for query in ("text:RE16TGK", 'text:"6 tg"', "text:airfr has:text", "has:text -text:bakery"):
        assert imgret("query", query).paths == [plane], query
    assert imgret("query", "--text", "RE16 TGK").paths == [plane]
    assert sorted(imgret("query", "has:text").paths) == [plane, bakery]
    assert imgret("query", "--json", "air france").objects[0]["why"] == ["air", "text: AIRFRANCE"]
    for query, why in (("text:rfra", ["text: AIRFRANCE"]), ("has:text -text:bakery", [])):
        assert imgret("query", "--json", query).objects[0]["why"] == why
    (best, *_) = imgret("query", "--json", "bakery").objects
    assert (best["path"], best["strength"], best["why"]) == (bakery, "strong", ["text: BAKERY"])
    (line,) = best["text"]
    assert line["text"] == "BAKERY"
    assert line["confidence"] > 0.8
    assert len(line["box"]) == 8
    assert signs.shown("IMG_3.png")["text"] == signs.shown("IMG_4.png")["text"] == []
    assert "AIRFRANCE | RE16 TGK" in imgret("show", plane).out.decode()
    assert signs.status()["pending"] == 0


def test_an_empty_result_gives_its_reason(signs: Library) -> None:
    if importlib.util.find_spec("rapidocr") is None:
        pytest.skip("rapidocr is not installed")
    assert "'butcher' stands in no photo that has text" in imgret("query", "text:butcher").err
    refused = imgret("query", "text:--")
    assert refused.code == 2
    assert "text:-- has no letter or digit" in refused.err


def test_with_the_stage_switched_off_nothing_is_read(empty: Library) -> None:
    sign(empty.photos / "IMG_1.png", "BAKERY")
    settle_clock(empty.photos)
    assert empty.index().code == 0
    answer = imgret("query", "text:bakery")
    assert answer.code == 1
    assert 'texts in photos are switched off (weights = "none" in [ocr]' in answer.err
    assert empty.shown("IMG_1.png")["text"] == []


def test_without_rapidocr_photos_are_described_all_the_same(
    empty: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "rapidocr" else real(name, *rest)
    )
    empty.config.write_text("decode_workers = 1\n" + WORDLLAMA.replace('[ocr]\nweights = "none"\n', ""))
    sign(empty.photos / "bakery.png", "BAKERY")
    settle_clock(empty.photos)
    done = empty.index()
    assert done.code == 0
    assert "the package rapidocr is not installed. Install it: `pip install 'imgret[ocr]'`" in done.err
    assert imgret("query", "bakery").paths == [str(empty.photos / "bakery.png")]
