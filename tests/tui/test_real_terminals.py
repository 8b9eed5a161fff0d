"""Real terminals on a virtual screen: a picture of four colours is found again in a screenshot."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.terminals

NEEDED = ("Xvfb", "xterm", "import")
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}
XTERM = [
    "xterm", "+lc", "-u8", "-tn", "xterm-256color",
    "-xrm", "XTerm*decGraphicsID: vt340", "-xrm", "XTerm*numColorRegisters: 256",
    "-fa", "DejaVu Sans Mono", "-fs", "10", "-geometry", "120x40+0+0", "-e", "env", "COLORTERM=truecolor",
]  # fmt: skip
KITTY_OPTIONS = [
    "--config", "NONE", "-o", "font_size=10", "-o", "remember_window_size=no", "-o", "initial_window_width=1000",
    "-o", "initial_window_height=700", "-o", "update_check_interval=0", "-o", "confirm_os_window_close=0",
]  # fmt: skip


def found(shot: Path) -> dict[str, tuple[float, float]]:
    """The middle of each of the four colours that covers enough of the screenshot."""
    pixels = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    middles = {}
    for name, colour in COLOURS.items():
        rows, columns = np.nonzero(abs(pixels - np.array(colour)).max(axis=2) < 30)
        if len(rows) > 2000:
            middles[name] = (float(np.median(columns)), float(np.median(rows)))
    return middles


def is_shown(shot: Path) -> bool:
    """Whether red stands left of green and above blue, as in the picture."""
    middles = found(shot)
    if len(middles) < 4:
        return False
    (red_x, red_y), (green_x, green_y) = middles["red"], middles["green"]
    blue_x, blue_y = middles["blue"]
    return red_x < green_x and red_y < blue_y and abs(red_x - blue_x) < 40 and abs(red_y - green_y) < 40


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """The name of a virtual screen."""
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as name:
        number = name.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


@pytest.fixture
def library(tmp_path: Path, private_places: Path) -> dict[str, str]:
    """An environment with an index of one picture, described by nothing but its name."""
    pixels = np.zeros((400, 400, 3), np.uint8)
    pixels[:200, :200], pixels[:200, 200:] = COLOURS["red"], COLOURS["green"]
    pixels[200:, :200], pixels[200:, 200:] = COLOURS["blue"], COLOURS["yellow"]
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(pixels).save(photos / "quadrants.png")
    config = tmp_path / "config.toml"
    config.write_text(
        "".join(
            f'[{stage}]\nweights = "none"\n'
            for stage in ("place", "image", "caption", "detect", "ocr", "topics", "embed")
        )
    )
    environ = {**os.environ, "IMGRET_CONFIG": str(config), "IMGRET_INDEX": str(tmp_path / "index.db")}
    indexing = [sys.executable, "-m", "imgret", "index", str(photos)]
    subprocess.run(indexing, env=environ, check=True, capture_output=True, timeout=120)
    return environ


def shown_in(
    command: list[str], environ: Mapping[str, str], screen: str, shot: Path, seconds: float = 60.0
) -> bool:
    """Start a terminal, and look until the picture is there or the time is up."""
    with subprocess.Popen(command, env={**environ, "DISPLAY": screen}) as terminal:
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(1.0)
                take = ["import", "-window", "root", str(shot)]
                subprocess.run(take, env={**os.environ, "DISPLAY": screen}, check=True, timeout=30)
                if is_shown(shot):
                    return True
                assert terminal.poll() is None, f"the terminal ended with {terminal.returncode}"
            return False
        finally:
            terminal.terminate()


PROGRAM = [sys.executable, "-m", "imgret_tui", "quadrants"]


def test_xterm_shows_the_photo_as_a_sixel(library: dict[str, str], screen: str, tmp_path: Path) -> None:
    assert shown_in([*XTERM, *PROGRAM], library, screen, tmp_path / "shot.png")


def test_xterm_shows_the_photo_in_half_blocks(library: dict[str, str], screen: str, tmp_path: Path) -> None:
    command = [*XTERM, *PROGRAM, "--graphics=blocks"]
    assert shown_in(command, library, screen, tmp_path / "shot.png")


def test_xterm_shows_a_preview_among_the_lines_of_a_command(
    library: dict[str, str], screen: str, tmp_path: Path
) -> None:
    script = f"{shlex.join([sys.executable, '-m', 'imgret', 'query', '--preview', 'quadrants'])}; sleep 60"
    assert shown_in([*XTERM, "sh", "-c", script], library, screen, tmp_path / "shot.png")


@pytest.fixture
def kitty() -> list[str]:
    """The command of a kitty that shows placeholders; `IMGRET_TEST_KITTY` names another one."""
    command = shlex.split(os.environ.get("IMGRET_TEST_KITTY", "kitty"))
    if shutil.which(command[0]) is None:
        pytest.skip("kitty is not installed")
    output = subprocess.run(
        [*command, "--version"], capture_output=True, text=True, timeout=60, check=False
    ).stdout
    version = re.search(r"kitty (\d+)\.(\d+)", output)
    if version is None or (int(version[1]), int(version[2])) < (0, 28):
        pytest.skip(f"kitty before 0.28 shows no placeholders: {output.strip() or 'no version'}")
    return command


def test_kitty_shows_the_photo(
    library: dict[str, str], screen: str, kitty: list[str], tmp_path: Path
) -> None:
    environ = {**library, "LIBGL_ALWAYS_SOFTWARE": "1"}
    assert shown_in([*kitty, *KITTY_OPTIONS, *PROGRAM], environ, screen, tmp_path / "shot.png", 90)
