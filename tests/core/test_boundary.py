"""Whatever fails in a command, of whatever kind, ends with a sentence and an exit code of the table."""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import imgret.cli
import imgret.demo.draw
import imgret.evaluate.saved
import imgret.store.factory
from imgret.cli import boundary, console
from imgret.cli.commands import app, run
from imgret.errors import Exit

KINDS: dict[str, Callable[[], BaseException]] = {
    "OverflowError": lambda: OverflowError("date value out of range"),
    "RecursionError": lambda: RecursionError("maximum recursion depth exceeded"),
    "MemoryError": MemoryError,
    "UnicodeEncodeError": lambda: UnicodeEncodeError("utf-8", "\udce9", 0, 1, "surrogates not allowed"),
    "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid"),
    "KeyError": lambda: KeyError("\udcff\x1b[31m"),
    "EOFError": lambda: EOFError("Ran out of input"),
    "StopIteration": StopIteration,
    "AssertionError": AssertionError,
    "SystemError": lambda: SystemError("error return without exception set"),
    "OSError": lambda: OSError("told without a number"),
    "EOVERFLOW": lambda: OSError(errno.EOVERFLOW, os.strerror(errno.EOVERFLOW), "/photos/a\x1b.jpg"),
    "EPIPE": lambda: OSError(errno.EPIPE, os.strerror(errno.EPIPE)),
    "ESTALE": lambda: OSError(errno.ESTALE, os.strerror(errno.ESTALE), b"/photos/caf\xe9.jpg"),
    "EMFILE": lambda: OSError(errno.EMFILE, os.strerror(errno.EMFILE), 7),
}
COMMANDS: dict[str, list[str]] = {
    "query": ["a", "--all"],
    "index": ["/"],
    "add": ["/"],
    "remove": ["/"],
    "folders": [],
    "show": ["a.jpg"],
    "dupes": [],
    "places": [],
    "note": ["a.jpg", "words"],
    "tag": ["a.jpg", "family"],
    "rate": ["a.jpg", "4"],
    "import-tags": ["tags.jsonl"],
    "status": [],
    "retry": [],
    "demo": [],
    "doctor": [],
    "pause": [],
    "resume": [],
    "backup": ["/nowhere/copy.db"],
    "restore": ["/nowhere/copy.db"],
    "export": [],
    "shell": ["bash"],
    "report": ["/nowhere/a.html", "a"],
    "stats": [],
    "copy-index": ["/nowhere/index.db", "/nowhere/copy.db"],
    "models list": [],
    "models pull": [],
    "models verify": [],
    "eval jsonl": ["questions.jsonl"],
    "eval flickr8k": ["--images", ".", "--captions", "c.json"],
    "eval flickr30k": ["--images", ".", "--captions", "c.json"],
    "eval coco": ["--images", ".", "--captions", "c.json"],
    "eval npz": ["vectors.npz"],
    "eval compare": ["a.json", "b.json"],
    "sidecars write": [],
    "sidecars remove": [],
    "service install": [],
    "service uninstall": [],
    "service status": [],
    "service logs": [],
}
# What the commands call first that can be made to fail, wherever it was imported to.
FIRST = ("session", "script", "demo_folder", "search_by_daemon", "_run", "units_folder", "writer_lock")


def leaves(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in getattr(group, "commands", {}).items():
        yield from leaves(command, (*path, name))
    if not hasattr(group, "commands"):
        yield " ".join(path), group


LEAVES = dict(leaves(typer.main.get_command(app)))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], list[int]]:
    """Make the first step of every command raise; the list grows with each time that it did."""

    def fail(error: BaseException) -> list[int]:
        raised: list[int] = []

        def fails(*arguments: object, **options: object) -> None:
            raised.append(1)
            raise error

        # A module that is first imported now would keep the replaced function for all later tests.
        for found in pkgutil.iter_modules(imgret.cli.__path__, "imgret.cli."):
            importlib.import_module(found.name)

        for module in [m for name, m in sys.modules.items() if name.startswith("imgret.")]:
            for name in FIRST:
                if callable(getattr(module, name, None)) and module is not boundary:
                    monkeypatch.setattr(module, name, fails)
        monkeypatch.setattr(imgret.evaluate.saved, "load", fails)
        return raised

    return fail


def test_every_command_is_among_those_that_are_made_to_fail() -> None:
    assert set(LEAVES) == set(COMMANDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_of_any_kind_ends_every_command_with_a_sentence(
    kind: str, failing: Callable[[BaseException], list[int]], capfd: pytest.CaptureFixture[str]
) -> None:
    for command, arguments in COMMANDS.items():
        raised = failing(KINDS[kind]())
        code = run([*command.split(), *arguments])
        out, err = capfd.readouterr()
        assert raised, f"{command} did not get as far as the error"
        assert (code, out) == (int(Exit.INDEX), ""), (command, err)
        assert err.startswith("imgret: "), command
        assert "Traceback" not in err
        assert "\x1b" not in err
        assert len(err.strip().splitlines()) <= 2


def test_the_traceback_is_kept_for_the_user_alone_and_named(
    private_places: Path, failing: Callable[[BaseException], list[int]], capfd: pytest.CaptureFixture[str]
) -> None:
    failing(KeyError("the cause"))
    assert run(["query", "secret words", "--all"]) == 3
    stderr = capfd.readouterr().err
    kept = private_places / "state" / "imgret" / "crash.txt"
    assert "crash.txt" in stderr
    text = kept.read_text()
    assert "KeyError: 'the cause'" in text
    assert "secret words" not in text.split("Traceback")[0]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["crash.txt"]


def test_a_failed_crash_report_does_not_hide_the_error(
    private_places: Path, failing: Callable[[BaseException], list[int]], capfd: pytest.CaptureFixture[str]
) -> None:
    (private_places / "state" / "imgret").write_text("a file where the folder should be")
    failing(KeyError("x"))
    assert run(["status"]) == 3
    assert capfd.readouterr().err == "imgret: imgret failed with an unexpected error: KeyError\n"


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_on_the_quick_path_ends_with_a_sentence(
    kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from imgret import __main__ as program
    from imgret.cli import quick_query

    def fails(_: object) -> None:
        raise KINDS[kind]()

    monkeypatch.setattr(quick_query, "search_by_daemon", fails)
    monkeypatch.setattr(sys, "argv", ["imgret", "query", "two dogs"])
    with pytest.raises(SystemExit) as left:
        program.main()
    out, err = capfd.readouterr()
    assert (left.value.code, out) == (3, "")
    assert err.startswith("imgret: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_at_the_pickers_start_ends_with_a_sentence(
    kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from imgret_tui import __main__ as picker

    def fails(_: object) -> None:
        raise KINDS[kind]()

    monkeypatch.setattr(picker, "_run", fails)
    assert picker.main([]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("imgret-tui: ")
    assert "Traceback" not in err


def test_a_program_ends_by_the_signal_it_received(capfd: pytest.CaptureFixture[str]) -> None:
    def leave(code: object) -> Callable[[], int]:
        def work() -> int:
            raise SystemExit(code)

        return work

    assert [boundary.exit_code(leave(code)) for code in (0, 3, None, "a word")] == [0, 3, 0, 1]

    def interrupted() -> int:
        raise KeyboardInterrupt

    assert boundary.exit_code(interrupted) == 130
    assert capfd.readouterr().err == ""


def test_a_full_stderr_stops_no_work(tmp_path: Path) -> None:
    import subprocess

    script = (
        "from imgret.cli import console; console.message('a'); console.message('b'); console.out_line('done')"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert (done.returncode, done.stdout) == (0, b"done\n")
    assert console.shown(b"/a\x1b") == "/a\ufffd"
