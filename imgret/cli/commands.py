"""The `imgret` command line: all commands, registered with Typer."""

from __future__ import annotations

from typing import Annotated

import typer

from imgret import __version__
from imgret.cli import (
    backup_commands,
    console,
    copy_command,
    demo_command,
    dupes_command,
    folder_commands,
    import_tags_command,
    index_command,
    maintenance_commands,
    pause_commands,
    places_command,
    query_command,
    report_command,
    shell_command,
    show_command,
    stats_command,
    status_command,
    tag_command,
)
from imgret.cli.boundary import bypass_typer, exit_code
from imgret.cli.eval_command import eval_app
from imgret.cli.models_command import models_app
from imgret.cli.service_command import service_app
from imgret.cli.sidecars_command import sidecars_app
from imgret.errors import EXIT_MEANING

_EPILOG = (
    "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in EXIT_MEANING.items()) + "."
)

app = typer.Typer(
    name="imgret",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        console.out_line(f"imgret {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Search your photos in plain words from the terminal."""


for command in (
    query_command.query,
    index_command.index,
    folder_commands.add,
    folder_commands.remove,
    show_command.show,
    show_command.note,
    tag_command.tag,
    tag_command.rate,
    import_tags_command.import_tags,
    dupes_command.dupes,
    places_command.places,
    status_command.status,
    maintenance_commands.retry,
    demo_command.demo,
    maintenance_commands.doctor,
    pause_commands.pause,
    pause_commands.resume,
    backup_commands.backup,
    backup_commands.restore,
    copy_command.copy_index,
    maintenance_commands.export,
    report_command.report,
    stats_command.stats,
    shell_command.shell,
):
    # `-word` in a query excludes a word; it is not an option. `note` itself reports a note without quotes.
    settings = {
        query_command.query: {"ignore_unknown_options": True},
        report_command.report: {"ignore_unknown_options": True},
        show_command.note: {"allow_extra_args": True},
    }
    app.command(epilog=_EPILOG, context_settings=settings.get(command, {}))(bypass_typer(command))
app.command("folders", epilog=_EPILOG)(bypass_typer(folder_commands.list_folders))
for name, group in (
    ("models", models_app),
    ("eval", eval_app),
    ("service", service_app),
    ("sidecars", sidecars_app),
):
    for member in group.registered_commands:
        member.epilog = _EPILOG
        assert member.callback is not None
        member.callback = bypass_typer(member.callback)
    app.add_typer(group, name=name)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code. Raises nothing."""
    return exit_code(lambda: int(app(arguments, prog_name="imgret") or 0))
