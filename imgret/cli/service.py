"""`imgret service`: the daemon as a service of this user's systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import resources
from typing import Annotated

import typer

from imgret.cli import render
from imgret.cli.session import session
from imgret.config import Places
from imgret.errors import DaemonError, Exit

SERVICE, SOCKET = "imgretd.service", "imgretd.socket"
_HANDED_ON = ("IMGRET_CONFIG", "IMGRET_INDEX", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")

service_app = typer.Typer(no_args_is_help=True, help="The daemon, run by systemd: install, status, logs.")


@service_app.command()
def install() -> None:
    """Have systemd start the daemon: with the first question, and when you log in."""
    here = session()
    folder = units_folder()
    for each in (folder, os.path.dirname(here.places.index), here.places.state):
        # systemd opens for writing only what exists when the daemon starts.
        os.makedirs(each, mode=0o700, exist_ok=True)
    for name in (SERVICE, SOCKET):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(filled(unit(name), here.places, program()))
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", SOCKET)
    _systemctl("enable", SERVICE)
    _systemctl("restart", SERVICE)
    render.say(f"imgretd runs; its units lie in {folder}")
    if not here.settings.folders:
        render.say("No folder is watched yet: run `imgret add FOLDER`.")


@service_app.command()
def uninstall() -> None:
    """Stop the daemon and take its units away. The index, the notes and the configuration stay."""
    folder = units_folder()
    present = [name for name in (SERVICE, SOCKET) if os.path.lexists(os.path.join(folder, name))]
    if not present:
        render.say("there is no service to uninstall")
        return
    _systemctl("disable", "--now", *present)
    for name in present:
        os.unlink(os.path.join(folder, name))
    _systemctl("daemon-reload")
    render.say("imgretd is uninstalled; the index and your notes stay")


@service_app.command()
def status() -> None:
    """What systemd says of the daemon. Exits with 4 when it does not run."""
    shown = _run("systemctl", "--user", "--no-pager", "status", SOCKET, SERVICE)
    if shown:
        raise typer.Exit(Exit.DAEMON)


@service_app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.", min=1)] = 100,
) -> None:
    """What the daemon has said."""
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
    """A unit with what only the installation knows: the program, the places it writes, its environment."""
    writes = [os.path.dirname(places.index), places.state, os.path.expanduser("~/.cache")]
    paths = " ".join(_quoted(f"-{path}") for path in dict.fromkeys(writes))
    environment = [
        f"Environment={_quoted(f'{name}={os.environ[name]}')}" for name in _HANDED_ON if os.environ.get(name)
    ]
    lines = []
    for line in text.splitlines():
        if line.startswith("ExecStart="):
            lines += [*environment, f"ExecStart={_quoted(imgretd)}"]
        elif line.startswith("ReadWritePaths="):
            lines.append(f"ReadWritePaths={paths}")
        elif line.startswith("ListenStream=") and os.environ.get("IMGRET_SOCKET"):
            lines.append(f"ListenStream={_escaped(places.socket)}")
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


def _quoted(text: str) -> str:
    """One word of a unit's line: see `Quoting` and `Specifiers` in systemd.syntax(7)."""
    escaped = _escaped(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if any(character in escaped for character in " \t'\"\\;") else escaped


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _systemctl(*arguments: str) -> None:
    if _run("systemctl", "--user", *arguments):
        raise DaemonError(
            f"`systemctl --user {' '.join(arguments)}` failed",
            "Without a systemd of this user, run `imgretd --foreground` from your session's start-up.",
        )


def _run(*command: str) -> int:
    render.flush()
    try:
        return subprocess.run(command, check=False).returncode
    except OSError as error:
        raise DaemonError(
            f"{command[0]} cannot be started: {error.strerror}",
            "This system has no systemd: run `imgretd --foreground` instead.",
        ) from None
