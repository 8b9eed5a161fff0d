"""Record the picker in real terminals: `python -m testbed.picker_recording FOLDER`.

Writes `picker.gif`, the animation of the README, `tui-xterm.png`, and `tui.svg` (drawn in half blocks) into FOLDER; with `--kitty COMMAND`,
`tui-kitty.png` and `tui-kitty-grid.png`. The library has the photos of `docs/photos`, described by the detector whose ONNX file
`--detector` names, and a few notes. Needs Xvfb, xterm, xdotool and ImageMagick's `import`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

PHOTOS = Path(__file__).parent.parent / "docs" / "photos"
NOTES = {
    "astronaut.jpg": "Eileen Collins before her flight",
    "coffee.jpg": "the first coffee of the holidays",
    "deep-field.jpg": "thousands of galaxies",
    "rocket.jpg": "a rocket starts at night",
}
COLUMNS, ROWS, FONT_SIZE = 110, 30, 10
COLOURS = 96  # of the animation
BACKGROUND, FOREGROUND = "#14161b", "#d5d9e0"
PICKER = (
    "sh", "-c", 'imgret_tui() { "$0" -m imgret_tui | sed "s#$HOME#/home/you#"; }; printf "$ imgret-tui\\n"; imgret_tui; sleep 9', sys.executable,
)  # fmt: skip
# (keys of xdotool, a text to type, milliseconds that the frame after it stays)
STEPS: tuple[tuple[str, str, int], ...] = (
    ("", "", 1200),
    *(("", letter, 130) for letter in "person"),
    ("", "", 1600),
    ("Down", "", 1100),
    ("Down", "", 1300),
    ("ctrl+u", "", 300),
    *(("", letter, 130) for letter in "coffee"),
    ("", "", 1600),
    ("ctrl+u", "", 500),
    ("ctrl+o", "", 1300),
    ("Right", "", 500),
    ("Right", "", 500),
    ("Down", "", 800),
    ("ctrl+o", "", 1800),
    ("r", "", 900),
    ("5", "", 1800),
    ("Return", "", 2200),
)
# As above, and the file that the frame is written to.
KITTY_STEPS = (("", "person", 0), ("Down", "", 0), ("ctrl+u", "", 0), ("ctrl+o", "", 0))
KITTY_FILES = (None, "tui-kitty.png", None, "tui-kitty-grid.png")

DRAWING = """
import asyncio, os, sys
os.environ |= {"TEXTUAL_ANIMATIONS": "none", "TEXTUAL_COLOR_SYSTEM": "truecolor"}
from imgret.config import load, places
from imgret.terminal.probe import Capabilities, Graphics
from imgret_tui.index_backend import IndexBackend
from imgret_tui.layout_memory import LayoutMemory
from imgret_tui.picker_app import PickerApp
from imgret_tui.query_history import QueryHistory
from imgret_tui.terminal_session import TerminalSession

async def main(path):
    where = places()
    app = PickerApp(
        lambda: IndexBackend(load(where.config), where), query="person",
        history=QueryHistory(os.path.join(where.state, "drawn")),
        memory=LayoutMemory(os.path.join(where.state, "drawn-layout")),
        terminal=TerminalSession(-1, Capabilities(Graphics.BLOCKS)),
    )
    async with app.run_test(size=(110, 30)) as pilot:
        while app.search.is_searching or app.images.is_loading or not len(app.images):
            await pilot.pause(0.2)
        await pilot.pause(1)
        with open(path, "w", encoding="utf-8") as file:
            file.write(app.export_screenshot(title="imgret-tui"))

asyncio.run(main(sys.argv[1]))
"""


class Frame(NamedTuple):
    """What the terminal shows, and for how long."""

    image: Image.Image
    milliseconds: int


def main() -> None:
    """Make the library, record the steps, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--detector", type=Path, required=True, metavar="ONNX")
    parser.add_argument(
        "--kitty", metavar="COMMAND", help="starts kitty; the command of the picker is appended"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imgret-recording-") as home, display() as screen:
        environ = library(Path(home), options.detector.resolve()) | {"DISPLAY": screen}
        if options.kitty:
            own = environ | {"XDG_STATE_HOME": os.path.join(home, "kitty")}  # the layout is remembered there
            frames = list(recorded(kitty(options.kitty), KITTY_STEPS, own))
            for frame, name in zip(frames, KITTY_FILES, strict=True):
                if name:
                    frame.image.quantize(256, dither=Image.Dither.NONE).save(
                        options.folder / name, optimize=True
                    )
        frames = list(recorded(xterm(), STEPS, environ))
        subprocess.run(
            [sys.executable, "-c", DRAWING, str(options.folder / "tui.svg")], env=environ, check=True
        )
    first, *others = [
        frame.image.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE) for frame in frames
    ]
    first.save(
        options.folder / "picker.gif",
        save_all=True,
        append_images=others,
        duration=[frame.milliseconds for frame in frames],
        loop=0,
    )
    shown = max(
        range(len(STEPS)), key=lambda n: STEPS[n][2] if STEPS[n][1] == "" and n < len(STEPS) // 2 else 0
    )
    frames[shown].image.quantize(256, dither=Image.Dither.NONE).save(
        options.folder / "tui-xterm.png", optimize=True
    )


def library(home: Path, detector: Path) -> dict[str, str]:
    """Index the photos under `home`, and write the notes. Return an environment that uses the index."""
    photos = home / "Pictures"
    photos.mkdir()
    for path in PHOTOS.glob("*.jpg"):
        shutil.copy(path, photos)
    config = home / "config.toml"
    switched_off = "".join(
        f'[{stage}]\nweights = "none"\n' for stage in ("image", "caption", "ocr", "topics", "place")
    )
    config.write_text(f'{switched_off}[detect]\nweights = "{detector}"\n[embed]\nweights = "wordllama"\n')
    run = home / "run"
    run.mkdir(mode=0o700)
    environ = {
        **os.environ,
        **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "STATE", "DATA", "CONFIG")},
        "XDG_RUNTIME_DIR": str(run),
        "HOME": str(home),
        "IMGRET_CONFIG": str(config),
        "IMGRET_INDEX": str(home / "index.db"),
        "COLORTERM": "truecolor",
    }
    imgret = [sys.executable, "-m", "imgret"]
    subprocess.run([*imgret, "index", str(photos)], env=environ, check=True)
    for name, note in NOTES.items():
        subprocess.run([*imgret, "note", str(photos / name), note], env=environ, check=True)
    return environ


@contextlib.contextmanager
def display() -> Iterator[str]:
    """An X display of its own."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(writing)
        with os.fdopen(reading) as answer:
            number = answer.readline().strip()
        try:
            yield f":{number}"
        finally:
            server.terminate()


def xterm() -> list[str]:
    """The command of an xterm that runs the picker."""
    settings = (
        "decGraphicsID: vt340",
        "numColorRegisters: 256",
        "maxGraphicSize: 2000x1300",
        "internalBorder: 4",
    )
    return [
        "xterm", "+lc", "-u8", "-tn", "xterm-256color", "-bg", BACKGROUND, "-fg", FOREGROUND,
        *(part for setting in settings for part in ("-xrm", f"XTerm*{setting}")),
        "-fa", "DejaVu Sans Mono", "-fs", str(FONT_SIZE), "-geometry", f"{COLUMNS}x{ROWS}+0+0",
        "-e", *PICKER,
    ]  # fmt: skip


def kitty(command: str) -> list[str]:
    """The command of a kitty that runs the picker."""
    settings = {
        "background": BACKGROUND,
        "foreground": FOREGROUND,
        "font_family": "DejaVu Sans Mono",
        "font_size": str(FONT_SIZE),
        "initial_window_width": f"{COLUMNS}c",
        "initial_window_height": f"{ROWS}c",
        "remember_window_size": "no",
        "update_check_interval": "0",
        "confirm_os_window_close": "0",
        "cursor_blink_interval": "0",
    }
    options = [part for item in settings.items() for part in ("-o", "=".join(item))]
    return [*shlex.split(command), "--config", "NONE", *options, *PICKER]


def recorded(
    terminal: Sequence[str], steps: Sequence[tuple[str, str, int]], environ: dict[str, str]
) -> Iterator[Frame]:
    """Start the picker in a terminal, take the steps, and yield a frame after each."""
    with subprocess.Popen(terminal, env=environ, cwd=PHOTOS.parent.parent) as process:
        try:
            settle(environ, seconds=40, quiet=3)
            for keys, text, milliseconds in steps:
                if keys:
                    subprocess.run(["xdotool", "key", keys], env=environ, check=True)
                if text:
                    subprocess.run(["xdotool", "type", text], env=environ, check=True)
                yield Frame(settle(environ, quiet=0.6 if text else 1.5), milliseconds)
        finally:
            process.terminate()


def settle(environ: dict[str, str], *, quiet: float, seconds: float = 20) -> Image.Image:
    """Wait until the screen stays the same for `quiet` seconds, `seconds` at most. Return it."""
    end = time.monotonic() + seconds
    before, since = screenshot(environ), time.monotonic()
    while time.monotonic() < end and time.monotonic() - since < quiet:
        time.sleep(0.1)
        now = screenshot(environ)
        if now.tobytes() != before.tobytes():
            before, since = now, time.monotonic()
    return before


def screenshot(environ: dict[str, str]) -> Image.Image:
    """The window, which is at the corner of the screen."""
    data = subprocess.run(
        ["import", "-silent", "-window", "root", "png:-"], env=environ, check=True, capture_output=True
    ).stdout
    screen = Image.open(io.BytesIO(data)).convert("RGB")
    box = screen.getbbox()
    return screen.crop(box) if box else screen


if __name__ == "__main__":
    main()
