"""The command line put together."""

from __future__ import annotations

from typing import Annotated

import typer

from imgret import __version__
from imgret.cli import copies, demo, folders, indexing, photos, query, render, status
from imgret.cli.boundary import exit_code, past_typer
from imgret.cli.evaluate import eval_app
from imgret.cli.models import models_app
from imgret.cli.service import service_app
from imgret.errors import EXIT_MEANING

_EPILOG = (
    "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in EXIT_MEANING.items()) + "."
)

app = typer.Typer(
    name="imgret",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        render.out_line(f"imgret {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Photo folders, searchable in plain words, from the terminal."""


for command in (
    query.query,
    indexing.index,
    folders.add,
    folders.remove,
    photos.show,
    photos.note,
    status.status,
    status.retry,
    demo.demo,
    status.doctor,
    status.pause,
    status.resume,
    copies.backup,
    copies.restore,
    status.export,
):
    # `-word` in a question leaves a word out; it is no option. A note without quotes is refused by `note`.
    takes = {query.query: {"ignore_unknown_options": True}, photos.note: {"allow_extra_args": True}}
    app.command(epilog=_EPILOG, context_settings=takes.get(command, {}))(past_typer(command))
app.command("folders", epilog=_EPILOG)(past_typer(folders.list_folders))
for name, group in (("models", models_app), ("eval", eval_app), ("service", service_app)):
    for member in group.registered_commands:
        member.epilog = _EPILOG
        assert member.callback is not None
        member.callback = past_typer(member.callback)
    app.add_typer(group, name=name)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line. -> its exit code; nothing but an exit code leaves here."""
    return exit_code(lambda: int(app(arguments, prog_name="imgret") or 0))
