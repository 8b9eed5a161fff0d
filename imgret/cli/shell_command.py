"""`imgret shell`: completion and a key binding for bash, zsh and fish."""

from __future__ import annotations

from typing import Annotated

import typer

from imgret.cli import console
from imgret.cli.shell_script import KEY, script


def shell(
    name: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
    key: Annotated[str, typer.Option(help="The key that opens the picker: ctrl-alt-p, alt-p, ctrl-o.")] = KEY,
) -> None:
    """Print completion and a key binding for your shell.

    The key opens `imgret-tui` and inserts the paths of the chosen photos into the command line. In ~/.bashrc:
    eval "$(imgret shell bash)". In ~/.zshrc, after compinit: source <(imgret shell zsh). In
    ~/.config/fish/config.fish: imgret shell fish | source.
    """
    console.out(script(name, key).encode())
