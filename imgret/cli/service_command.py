"""`imgret service`: the daemon as a service of this user's systemd."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from importlib import resources
from typing import Annotated
from unicodedata import category

import typer

from imgret.cli import console
from imgret.cli.session import session
from imgret.config import Places
from imgret.errors import DaemonError, Exit, UsageError

SERVICE, SOCKET = "imgretd.service", "imgretd.socket"
# What decides where the daemon finds its files. Tokens are not among it: the daemon downloads nothing.
_HANDED_ON = (
    *("IMGRET_CONFIG", "IMGRET_INDEX", "IMGRET_SOCKET"),
    *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"),
    *("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"),
)
_NO_SYSTEMD = "Without a systemd of this user, run `imgretd --foreground` from your session's start-up."

service_app = typer.Typer(no_args_is_help=True, help="The daemon, run by systemd: install, status, logs.")


@service_app.command()
def install() -> None:
    """Have systemd start the daemon at login or at the first search."""
    here = session()
    folder = units_folder()
    texts = {name: filled(unit(name), here.places, program()) for name in (SERVICE, SOCKET)}
    _require_systemd()  # before anything is made: without it nothing is left behind
    for each in (folder, os.path.dirname(here.places.index), here.places.state):
        # systemd opens for writing only what exists when the daemon starts.
        os.makedirs(each, mode=0o700, exist_ok=True)
    before = _present(folder)
    for name, text in texts.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    try:
        _systemctl("daemon-reload")
        _systemctl("enable", "--now", SOCKET)
        _systemctl("enable", SERVICE)
        _systemctl("restart", SERVICE)
    except DaemonError:
        if not before:
            _remove(folder)
        raise
    console.say(f"imgretd runs; its units lie in {folder}")
    if not here.settings.folders:
        console.say("No folder is watched yet: run `imgret add FOLDER`.")


@service_app.command()
def uninstall() -> None:
    """Stop the daemon and take its units away. The index, the notes and the configuration stay."""
    folder = units_folder()
    if not _present(folder):
        console.say("there is no service to uninstall")
        return
    _remove(folder)
    console.say("imgretd is uninstalled; the index and your notes stay")


@service_app.command()
def status() -> None:
    """Show what systemd says of the daemon. Exits with 4 when it does not run."""
    shown = _run("systemctl", "--user", "--no-pager", "status", SOCKET, SERVICE)
    if shown:
        raise typer.Exit(Exit.DAEMON)


@service_app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.", min=1)] = 100,
) -> None:
    """Show what the daemon has logged."""
    more = ["--follow"] if follow else ["--no-pager"]
    if _run("journalctl", "--user", "--unit", SERVICE, "--lines", str(lines), *more):
        raise typer.Exit(Exit.DAEMON)


def unit(name: str) -> str:
    """The text of a unit, as it ships in the wheel; in a checkout, as it lies there."""
    shipped = resources.files("imgret").joinpath("systemd", name)
    if shipped.is_file():
        return shipped.read_text("utf-8")
    checkout = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(checkout, "systemd", name), encoding="utf-8") as file:
        return file.read()


def filled(text: str, places: Places, imgretd: str) -> str:
    """A unit with what only the installation knows: the program, the places it writes, its environment.

    Raises UsageError naming what a unit cannot hold.
    """
    handed_on = _handed_on(places)
    cache = handed_on.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    writes = [os.path.dirname(places.index), places.state, cache]
    named = [("the path of imgretd", imgretd), *((f"the path {path}", path) for path in writes)]
    for name, value in [*handed_on.items(), *named]:
        _require_plain(name, value)
    paths = " ".join(_quoted(f"-{path}") for path in dict.fromkeys(writes))
    environment = [f"Environment={_quoted(f'{name}={value}')}" for name, value in handed_on.items()]
    lines = []
    for line in text.splitlines():
        if line.startswith("ExecStart="):
            lines += [*environment, f"ExecStart={_quoted(imgretd)}"]
        elif line.startswith("ReadWritePaths="):
            lines.append(f"ReadWritePaths={paths}")
        elif line.startswith("ListenStream=") and os.environ.get("IMGRET_SOCKET"):
            lines.append(f"ListenStream={_escaped(os.path.abspath(places.socket))}")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def program() -> str:
    """The absolute path of `imgretd`: beside this `imgret`, else on PATH. DaemonError where it is not."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "imgretd")
    inside = os.path.join(os.path.dirname(sys.executable), "imgretd")
    for path in (beside, inside, shutil.which("imgretd")):
        if path and os.access(path, os.X_OK):
            return path
    raise DaemonError("imgretd is not installed beside imgret", "Install imgret again.")


def units_folder() -> str:
    """Where this user's units lie."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.config")
    return os.path.join(base, "systemd", "user")


def _handed_on(places: Places) -> dict[str, str]:
    """The variables of this shell that decide where files lie, as absolute paths: a service starts elsewhere."""
    known = {
        "IMGRET_CONFIG": places.config,
        "IMGRET_INDEX": places.index,
        "IMGRET_SOCKET": os.path.abspath(places.socket),
    }
    found = {}
    for name in _HANDED_ON:
        value = os.environ.get(name, "")
        if name.startswith("HF_"):
            value = value and os.path.abspath(os.path.expanduser(value))
        if value and (name in known or os.path.isabs(value)):  # a relative one is ignored, by the XDG rules
            found[name] = known.get(name, value)
    return found


def _require_plain(name: str, value: str) -> None:
    """Raise UsageError for what a line of a unit cannot say: line breaks, control characters, bytes that are no text."""
    if not value.endswith("\\") and all(category(each) not in ("Cc", "Cs", "Zl", "Zp") for each in value):
        return
    raise UsageError(
        f"{name} cannot be written into a unit of systemd: {value!r}",
        "Use a path without line breaks, control characters and bytes that are not UTF-8.",
    )


def _quoted(text: str) -> str:
    """One word of a unit's line: see `Quoting` and `Specifiers` in systemd.syntax(7)."""
    escaped = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if any(character in escaped for character in " \t'\"\\;") else escaped


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _present(folder: str) -> list[str]:
    """Which of our units lie in the folder."""
    return [name for name in (SERVICE, SOCKET) if os.path.lexists(os.path.join(folder, name))]


def _remove(folder: str) -> None:
    """Stop the daemon and take its units away; the units also where no systemd answers (DaemonError)."""
    present = _present(folder)
    try:
        _systemctl("disable", "--now", *present)
    finally:
        for name in (*present, f"default.target.wants/{SERVICE}", f"sockets.target.wants/{SOCKET}"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
    _systemctl("daemon-reload")


def _require_systemd() -> None:
    """Raise DaemonError unless a systemd of this user answers."""
    command = ["systemctl", "--user", "show", "--property=Version"]
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DaemonError(f"systemctl cannot be asked: {error}", _NO_SYSTEMD) from None
    if asked.returncode:
        said = asked.stderr.strip().splitlines()
        raise DaemonError(
            f"systemctl --user does not work here: {said[-1] if said else 'no answer'}", _NO_SYSTEMD
        )


def _systemctl(*arguments: str) -> None:
    if _run("systemctl", "--user", *arguments):
        raise DaemonError(f"`systemctl --user {' '.join(arguments)}` failed", _NO_SYSTEMD)


def _run(*command: str) -> int:
    console.flush()
    try:
        return subprocess.run(command, check=False).returncode
    except OSError as error:
        raise DaemonError(
            f"{command[0]} cannot be started: {error.strerror}",
            _NO_SYSTEMD,
        ) from None
