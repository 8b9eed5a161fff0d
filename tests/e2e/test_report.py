"""`imgret report` and `imgret stats` on a described library; the page is read by a real browser where there is one."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest
from command_line import Library, imgret
from PIL import Image


def test_a_report_is_one_page_with_photos(library: Library, tmp_path: Path) -> None:
    target = tmp_path / "red.html"
    done = imgret("report", target, "--stats", "red", "circle")
    assert (done.code, done.out) == (0, b"")
    assert f"in {target}" in done.err
    text = target.read_text()
    assert "<title>red circle</title>" in text
    assert text.count("data:image/jpeg;base64,") == text.count("<li>") >= 1
    assert "IMG_1.jpg" in text
    assert str(library.photos) not in text
    assert "<h2>objects</h2>" in text
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert imgret("report", target, "blue square").code == 0  # its own page is replaced
    assert "<title>blue square</title>" in target.read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".imgret")] == []


def test_what_is_no_report_is_kept(library: Library, tmp_path: Path) -> None:
    other = tmp_path / "diary.html"
    other.write_text("my diary")
    photo = library.photos / "IMG_1.jpg"
    before = photo.read_bytes()
    for target, sentence in ((other, "was not made by imgret"), (photo, "no name of a page")):
        done = imgret("report", target, "red")
        assert (done.code, done.out) == (2, b"")
        assert sentence in done.err
    assert (other.read_text(), photo.read_bytes()) == ("my diary", before)
    assert imgret("report", tmp_path / "none" / "a.html", "red").code == 2
    assert imgret("report", other, " ").code == 2
    assert imgret("report", other, "--overwrite", "red").code == 0


def test_what_is_no_file_is_kept_and_does_not_block(library: Library, tmp_path: Path) -> None:
    target = tmp_path / "a.html"
    os.mkfifo(target)
    for option in ([], ["--overwrite"]):
        done = imgret("report", target, *option, "red")
        assert (done.code, done.out) == (2, b"")
        assert "is no file" in done.err
    assert stat.S_ISFIFO(target.lstat().st_mode)


def test_no_hits_write_no_page(library: Library, tmp_path: Path) -> None:
    target = tmp_path / "none.html"
    assert imgret("report", target, "name:nowhere").code == 1
    assert not target.exists()


def test_a_deleted_photo_lacks_its_image(library: Library, tmp_path: Path) -> None:
    (library.photos / "IMG_1.jpg").unlink()
    done = imgret("report", tmp_path / "a.html", "red circle")
    assert done.code == 1
    assert "IMG_1.jpg" in done.err
    assert "no picture" in (tmp_path / "a.html").read_text()


def test_stats_are_bars_and_json(library: Library) -> None:
    done = imgret("stats")
    assert done.code == 0
    assert "objects\n" in done.out.decode()
    assert "█" in done.out.decode()
    (counted,) = [json.loads(line) for line in imgret("stats", "--json").out.splitlines()]
    assert counted["v"] == 1
    assert counted["objects"]["circle"] >= 1
    (few,) = [json.loads(line) for line in imgret("stats", "--json", "--most", "1").out.splitlines()]
    assert len(few["objects"]) == 1


def test_stats_of_an_empty_index(empty: Library) -> None:
    assert empty.index().code == 0
    done = imgret("stats")
    assert (done.code, done.out) == (1, b"")
    assert "imgret index" in done.err


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "option"), [("light", "1"), ("dark", "0")])
def test_a_browser_shows_the_page(library: Library, tmp_path: Path, mode: str, option: str) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    page, shot = tmp_path / "red.html", tmp_path / "red.png"
    assert imgret("report", page, "--stats", "red circle").code == 0
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={tmp_path}/profile",
    ]
    command += [f"--blink-settings=preferredColorScheme={option}", "--window-size=900,900"]
    subprocess.run(
        [*command, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True, timeout=90
    )
    pixels = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    edge = pixels[:, :5].mean()
    assert edge > 240 if mode == "light" else edge < 40
    red = (pixels[..., 0] > 180) & (pixels[..., 1] < 70) & (pixels[..., 2] < 70)
    assert red.mean() > 0.005  # a circle of at least 70 x 70 pixels: only the picture is red
    dom = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], check=True, capture_output=True, text=True, timeout=90
    )
    assert "<mark>red</mark>" in dom.stdout
