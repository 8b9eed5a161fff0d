"""Which paths are indexed, and the reasons for the others."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgret.errors import ConfigError
from imgret.exclude import Exclude, is_image

names = st.binary(min_size=1, max_size=12).filter(
    lambda n: b"/" not in n and b"\0" not in n and n.strip(b".")
)
paths = st.lists(names | st.sampled_from([b"a.jpg", b"Trash", b".git", b"x.tmp.png"]), min_size=1, max_size=4)
PATTERNS = ["*.tmp.*", "Trash/", "/top", "a/**/z", "!keep.jpg", "b[0-9]?.*"]


def walked(rules: Exclude, path: bytes) -> bool:
    """Return whether a scan that checks each folder and then the file would find the file."""
    *folders, name = path.split(b"/")
    at = b""
    for folder in folders:
        if rules.excludes_folder(at, folder):
            return False
        at = os.path.join(at, folder)
    return not rules.excludes_file(at, name)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"a.jpg", None),
        (b"2021/IMG_1.HEIC", None),
        (b"2021/DSC.Nef", None),
        (b"a.tmp.jpg", "pattern *.tmp.*"),
        (b"x/Trash/y/a.jpg", "pattern Trash/"),
        (b"Trash.jpg", None),
        (b"top/a.jpg", "pattern /top"),
        (b"x/top/a.jpg", None),
        (b"a/b/c/z/a.jpg", "pattern a/**/z"),
        (b".cache/a.jpg", "hidden: .cache"),
        (b"x/.a.jpg", "hidden: .a.jpg"),
        (b"notes.txt", "not a picture: .txt"),
        (b"README", "not a picture: no extension"),
        (b"jpg", "not a picture: no extension"),
        (b"film.mp4", "not a picture: .mp4"),
        (b"new\nline\x1b.jpg", None),
        (b"\xff\xfe.png", None),
        (b"b\nb12.jpg", None),
    ],
)
def test_the_reason(path: bytes, reason: str | None) -> None:
    rules = Exclude(PATTERNS)
    assert rules.explain(path) == reason
    assert walked(rules, path) == (reason is None)


def test_hidden_files_are_indexed_if_configured() -> None:
    rules = Exclude([], hidden=True)
    assert rules.explain(b".cache/.a.jpg") is None
    assert walked(rules, b".cache/.a.jpg")


def test_a_later_pattern_includes_a_file_again_but_not_in_an_excluded_folder() -> None:
    rules = Exclude(["*.png", "!keep.png", "old/", "!old/keep.png"])
    assert rules.explain(b"a/x.png") == "pattern *.png"
    assert rules.explain(b"a/keep.png") is None
    assert rules.explain(b"old/keep.png") == "pattern old/"


def test_empty_lines_and_comments_do_not_shift_the_reasons() -> None:
    assert Exclude(["", "# mine", "*.gif"]).explain(b"a.gif") == "pattern *.gif"


def test_an_invalid_pattern_is_named_in_the_error() -> None:
    with pytest.raises(ConfigError, match="'!', which is not a gitignore pattern"):
        Exclude(["*.tmp", "!"])
    with pytest.raises(ConfigError, match=r"'\[z-a\]', which is not a gitignore pattern"):
        Exclude(["[z-a]"])


def test_a_pattern_below_a_folder_with_a_newline_in_its_name() -> None:
    assert Exclude(["*.gif"]).explain(b"a\nb/c.gif") == "pattern *.gif"


def test_many_stars_and_many_patterns_are_fast() -> None:
    rules = Exclude(["*a" * 30 + "b.jpg", "**/" * 20 + "x", "*" * 200 + "y"])
    began = time.process_time()
    assert rules.explain(b"a" * 240 + b".jpg") is None
    assert rules.explain(b"d/" * 200 + b"a.jpg") is None
    assert time.process_time() - began < 5


@given(paths, st.booleans())
def test_scan_and_explanation_agree(parts: list[bytes], hidden: bool) -> None:
    rules = Exclude(PATTERNS, hidden=hidden)
    path = b"/".join(parts)
    assert walked(rules, path) == (rules.explain(path) is None)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n\0"), max_size=8), max_size=4), paths)
def test_any_patterns_are_accepted_or_raise_config_error(patterns: list[str], parts: list[bytes]) -> None:
    try:
        rules = Exclude(patterns)
    except ConfigError:
        return
    path = b"/".join(parts)
    assert walked(rules, path) == (rules.explain(path) is None)


@given(names)
def test_the_case_of_an_extension_does_not_matter(stem: bytes) -> None:
    assert is_image(stem + b".jpg")
    assert is_image(stem + b".JpG")
    assert not is_image(stem + b".txt")


def test_results_equal_those_of_git(tmp_path: Path) -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", "init", "-q", tmp_path], check=True, env=environment)
    patterns = [
        "*.png",
        "!keep.png",
        "old/",
        "/top/*.jpg",
        "a/**/z/",
        "we?rd[0-9].jpg",
        "**/deep/*.jpg",
        "x\\ y",
    ]
    (tmp_path / ".gitignore").write_text("\n".join(patterns) + "\n")
    files = [
        "a.png",
        "keep.png",
        "old/keep.png",
        "top/a.jpg",
        "x/top/a.jpg",
        "top/b/a.jpg",
        "a/z/1.jpg",
        "a/b/c/z/1.jpg",
        "a/z.jpg",
        "weird1.jpg",
        "we/rd1.jpg",
        "deep/1.jpg",
        "q/deep/1.jpg",
        "q/deep/w/1.jpg",
        "old.jpg",
        "x y/a.jpg",
        "x y.jpg",
    ]
    done = subprocess.run(
        ["git", "-C", tmp_path, "check-ignore", "--no-index", "-z", "--stdin"],
        input="\0".join(files),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    rules = Exclude(patterns)
    ours = {file for file in files if rules.explain(file.encode())}
    assert ours == set(done.stdout.split("\0")) - {""}
