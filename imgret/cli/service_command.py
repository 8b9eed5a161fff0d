"""`imgret service`: install, remove and inspect the daemon as a systemd user service."""

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
from imgret.places import is_server

SERVICE, SOCKET = "imgretd.service", "imgretd.socket"
# Environment variables that determine the paths of the daemon's files. No access tokens: it downloads nothing.
_PASSED_ON = (
    *("IMGRET_CONFIG", "IMGRET_INDEX", "IMGRET_SOCKET"),
    *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"),
    *("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"),
)
_NO_SYSTEMD = "Without a systemd user instance, start `imgretd --foreground` when your session starts."

service_app = typer.Typer(no_args_is_help=True, help="Run the daemon as a systemd user service.")


@service_app.command()
def install() -> None:
    """Have systemd start the daemon at login or at the first search."""
    here = session()
    folder = units_folder()
    texts = {name: filled(unit(name), here.places, program()) for name in (SERVICE, SOCKET)}
    _require_systemd()  # before any file is created, so that nothing is left behind without systemd
    for each in (folder, *_folder_of_index(here.places), here.places.state):
        # ReadWritePaths applies only to folders that exist when the daemon starts.
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
    console.message(f"imgretd is running; its units are in {folder}")
    if not here.settings.folders:
        console.message("No folder is watched yet: run `imgret add FOLDER`.")


@service_app.command()
def uninstall() -> None:
    """Stop the daemon and remove its units. The index, the notes and the configuration are kept."""
    folder = units_folder()
    if not _present(folder):
        console.message("there is no service to uninstall")
        return
    _remove(folder)
    console.message("imgretd is uninstalled; the index and your notes are kept")


@service_app.command()
def status() -> None:
    """Show the status of the daemon in systemd. Exits with 4 if it is not running."""
    shown = _run("systemctl", "--user", "--no-pager", "status", SOCKET, SERVICE)
    if shown:
        raise typer.Exit(Exit.DAEMON)


@service_app.command()
def logs(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show new lines as they are written.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", help="How many of the last lines to show.", min=1)
    ] = 100,
) -> None:
    """Show the log of the daemon."""
    more = ["--follow"] if follow else ["--no-pager"]
    if _run("journalctl", "--user", "--unit", SERVICE, "--lines", str(lines), *more):
        raise typer.Exit(Exit.DAEMON)


def unit(name: str) -> str:
    """Return the text of a unit from the installed package, or from the checkout."""
    shipped = resources.files("imgret").joinpath("systemd", name)
    if shipped.is_file():
        return shipped.read_text("utf-8")
    checkout = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with open(os.path.join(checkout, "systemd", name), encoding="utf-8") as file:
        return file.read()


def filled(text: str, places: Places, imgretd: str) -> str:
    """Return a unit with the values of this installation: program, writable folders and environment.

    Raises UsageError that names a value which a unit cannot contain.
    """
    environment = _environment(places)
    cache = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    writes = [*_folder_of_index(places), places.state, cache]
    named = [("the path of imgretd", imgretd), *((f"the path {path}", path) for path in writes)]
    for name, value in [*environment.items(), *named]:
        _require_plain(name, value)
    paths = " ".join(_quoted(f"-{path}") for path in dict.fromkeys(writes))
    settings = [f"Environment={_quoted(f'{name}={value}')}" for name, value in environment.items()]
    lines = []
    for line in text.splitlines():
        if line.startswith("ExecStart="):
            lines += [*settings, f"ExecStart={_quoted(imgretd)}"]
        elif line.startswith("ReadWritePaths="):
            lines.append(f"ReadWritePaths={paths}")
        elif line.startswith("ListenStream=") and os.environ.get("IMGRET_SOCKET"):
            lines.append(f"ListenStream={_escaped(places.socket)}")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def program() -> str:
    """Return the absolute path of `imgretd`: next to this `imgret`, or on PATH. Raises DaemonError if it is missing."""
    beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "imgretd")
    inside = os.path.join(os.path.dirname(sys.executable), "imgretd")
    for path in (beside, inside, shutil.which("imgretd")):
        if path and os.access(path, os.X_OK):
            return path
    raise DaemonError("imgretd is not installed next to imgret", "Reinstall imgret.")


def units_folder() -> str:
    """Return the folder of this user's systemd units."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.config")
    return os.path.join(base, "systemd", "user")


def _folder_of_index(places: Places) -> list[str]:
    return [] if is_server(places.index) else [os.path.dirname(places.index)]


def _environment(places: Places) -> dict[str, str]:
    """Return the variables of this shell that determine paths, made absolute because a service starts in another folder."""
    known = {
        "IMGRET_CONFIG": places.config,
        "IMGRET_INDEX": places.index,
        "IMGRET_SOCKET": places.socket,
    }
    found = {}
    for name in _PASSED_ON:
        value = os.environ.get(name, "")
        if name.startswith("HF_"):
            value = value and os.path.abspath(os.path.expanduser(value))
        if value and (name in known or os.path.isabs(value)):  # the XDG specification ignores a relative path
            found[name] = known.get(name, value)
    return found


def _require_plain(name: str, value: str) -> None:
    """Raise UsageError for text that a line of a unit cannot contain: line breaks, control characters, invalid UTF-8."""
    if not value.endswith("\\") and all(category(each) not in ("Cc", "Cs", "Zl", "Zp") for each in value):
        return
    raise UsageError(
        f"{name} cannot be written to a systemd unit: {value!r}",
        "Use a path without line breaks, control characters and bytes that are not UTF-8.",
    )


def _quoted(text: str) -> str:
    """Quote one word for a line of a unit: see `Quoting` and `Specifiers` in systemd.syntax(7)."""
    escaped = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if any(character in escaped for character in " \t'\"\\;") else escaped


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _present(folder: str) -> list[str]:
    """Return the names of our units that are in the folder."""
    return [name for name in (SERVICE, SOCKET) if os.path.lexists(os.path.join(folder, name))]


def _remove(folder: str) -> None:
    """Stop the daemon and remove its units.

    If systemd does not respond, the units are removed all the same, and DaemonError is raised.
    """
    present = _present(folder)
    try:
        _systemctl("disable", "--now", *present)
    finally:
        for name in (*present, f"default.target.wants/{SERVICE}", f"sockets.target.wants/{SOCKET}"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
    _systemctl("daemon-reload")


def _require_systemd() -> None:
    """Raise DaemonError unless the systemd user instance responds."""
    command = ["systemctl", "--user", "show", "--property=Version"]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DaemonError(f"systemctl cannot be run: {error}", _NO_SYSTEMD) from None
    if result.returncode:
        errors = result.stderr.strip().splitlines()
        raise DaemonError(
            f"systemctl --user does not work here: {errors[-1] if errors else 'no message'}", _NO_SYSTEMD
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
