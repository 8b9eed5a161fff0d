"""The driver on Textual's internals, and the fallback for a Textual that has changed them."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from textual.drivers.linux_driver import LinuxDriver

from imgret.terminal.probe import Capabilities, Graphics
from imgret_tui import terminal_driver
from imgret_tui.driver_selection import choose_driver
from imgret_tui.terminal_driver import TerminalDriver, UnknownTextual, check_internals
from testbed.fake_terminal import PLACEHOLDER, FakeTerminal

KITTY = Capabilities(Graphics.KITTY)
ROOT = Path(__file__).parents[2]


class SilentParser:
    """A parser that finds no keys."""

    def feed(self, text: str) -> list[object]:
        return []

    def tick(self) -> list[object]:
        return []


def test_the_driver_fits_this_version_of_textual() -> None:
    """Fails when Textual changes an internal: `terminal_driver` must follow it."""
    check_internals()
    choice = choose_driver(KITTY)
    assert choice == (TerminalDriver, KITTY, "")


@pytest.mark.parametrize("name", terminal_driver._METHODS)
def test_a_missing_method_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(LinuxDriver, name, None)
    with pytest.raises(UnknownTextual, match=f"LinuxDriver.{name}"):
        check_internals()


def test_an_attribute_that_is_no_longer_set_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def initialize(self: LinuxDriver, *_: object) -> None:
        self.fileno = self.input_tty = self.exit_event = None  # type: ignore[assignment]

    monkeypatch.setattr(LinuxDriver, "__init__", initialize)
    with pytest.raises(UnknownTextual, match=r"LinuxDriver\._file"):
        check_internals()


@pytest.mark.parametrize("parser", [SilentParser, lambda: None])
def test_a_parser_that_has_changed_is_noticed(monkeypatch: pytest.MonkeyPatch, parser: Any) -> None:
    monkeypatch.setattr(terminal_driver, "XTermParser", parser)
    with pytest.raises(UnknownTextual, match="XTermParser"):
        check_internals()


@pytest.mark.parametrize(
    ("graphics", "expected"),
    [(Graphics.KITTY, Graphics.BLOCKS), (Graphics.SIXEL, Graphics.BLOCKS), (Graphics.NONE, Graphics.NONE)],
)
def test_without_the_driver_there_are_no_terminal_graphics(
    monkeypatch: pytest.MonkeyPatch, graphics: Graphics, expected: Graphics
) -> None:
    monkeypatch.setattr(terminal_driver, "XTermParser", SilentParser)
    driver, capabilities, warning = choose_driver(Capabilities(graphics))
    assert driver is None
    assert capabilities.graphics is expected
    assert "XTermParser.feed" in warning


@pytest.mark.parametrize(
    "change",
    [
        "import textual._xterm_parser as p, textual.drivers.linux_driver; del p.XTermParser",
        "import imgret_tui.terminal_driver as d; d._ATTRIBUTES = {'renamed'}",
    ],
)
def test_the_picker_works_without_the_driver(
    demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """It finds photos, draws half blocks, and prints the chosen path to a redirected stdout."""
    code = f"import sys; {change}\nfrom imgret_tui.__main__ import main; sys.exit(main())"
    program = [sys.executable, "-c", code]
    config = tmp_path / "words.toml"
    config.write_text(
        '[place]\nweights = "none"\n[ocr]\nweights = "none"\n[image]\nweights = "none"\n[caption]\nweights = "none"\n[embed]\nweights = "none"\n'
    )
    environ = {**os.environ, "IMGRET_CONFIG": str(config), "TEXTUAL_COLOR_SYSTEM": "truecolor"}
    monkeypatch.chdir(tmp_path)
    with FakeTerminal([*program, "red"], environ=environ, kind="kitty", shell="> out") as terminal:
        terminal.until("This version of Textual")
        terminal.until("why")
        terminal.until("▀")
        terminal.until_quiet()
        assert PLACEHOLDER not in terminal.output
        assert terminal.sent == 0
        terminal.type("\x1b[B\r")
        assert terminal.ended() == 0
        assert terminal.output.rfind(b"\x1b[?1049l") > terminal.output.rfind(b"\x1b[?1049h")
    assert os.path.isfile((tmp_path / "out").read_bytes()[:-1])


def test_only_one_module_uses_internals_of_textual() -> None:
    internals = re.compile(r"textual[.\w]*\._\w|textual\.drivers|from textual[.\w]* import _")
    private = re.compile(r"\b(?!self\b|os\b)[a-z]\w*\._[a-z]\w+")  # attributes of other objects
    for path in sorted((ROOT / "imgret_tui").rglob("*.py")):
        if path.name != "terminal_driver.py":
            text = path.read_text()
            assert not internals.search(text), path
            assert not private.search(text), path


def test_the_version_of_textual_has_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (bound,) = [line for line in project["dependencies"] if line.startswith("textual")]
    major = int(importlib.metadata.version("textual").partition(".")[0])
    assert bound.endswith(f"<{major + 1}")
