"""The `imgret` command line: its commands by name, each imported when it is run.

Importing all of them and inspecting their parameters takes longer than a short command itself. So `imgret --help` shows
their first sentences from the table that `make reference` writes, and nothing else needs more than one command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from imgret import __version__
from imgret.cli import console
from imgret.cli.boundary import bypass_typer, exit_code
from imgret.errors import EXIT_MEANING

_EPILOG = (
    "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in EXIT_MEANING.items()) + "."
)

# name -> module of imgret.cli, and the function or the Typer group in it; in the order of `imgret --help`
_COMMANDS = {
    "query": "query_command.query",
    "index": "index_command.index",
    "add": "folder_commands.add",
    "remove": "folder_commands.remove",
    "show": "show_command.show",
    "note": "show_command.note",
    "tag": "tag_command.tag",
    "rate": "tag_command.rate",
    "import-tags": "import_tags_command.import_tags",
    "dupes": "dupes_command.dupes",
    "places": "places_command.places",
    "status": "status_command.status",
    "retry": "maintenance_commands.retry",
    "demo": "demo_command.demo",
    "doctor": "maintenance_commands.doctor",
    "pause": "pause_commands.pause",
    "resume": "pause_commands.resume",
    "backup": "backup_commands.backup",
    "restore": "backup_commands.restore",
    "copy-index": "copy_command.copy_index",
    "export": "maintenance_commands.export",
    "report": "report_command.report",
    "stats": "stats_command.stats",
    "shell": "shell_command.shell",
    "folders": "folder_commands.list_folders",
    "models": "models_command.models_app",
    "eval": "eval_command.eval_app",
    "service": "service_command.service_app",
    "sidecars": "sidecars_command.sidecars_app",
}
# `-word` in a query excludes a word; it is not an option. `note` itself reports a note without quotes.
_SETTINGS: dict[str, dict[str, Any]] = {
    "query": {"ignore_unknown_options": True},
    "report": {"ignore_unknown_options": True},
    "note": {"allow_extra_args": True},
}
# Options of one letter: `-0k5` are three of them, `-hat` and `-rating:10` are words.
_SHORT = re.compile(r"-(0*k?\d*|h)")


class _Command(TyperCommand):
    """A command that says what to do with a name or a text that begins with a dash."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as click does. An unknown option may have been meant as an argument: the message says how to write that."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            takes_texts = any(each.param_type_name == "argument" for each in self.params)
            if type(error).__name__ == "NoSuchOption" and takes_texts:
                error.message += ". Write -- before a name or a text that begins with -."  # type: ignore[attr-defined]
            raise


class _QueryCommand(_Command):
    """A command with a query: of `-word`, no letter is an option."""

    def make_parser(self, ctx: Any) -> Any:
        """Return a parser that takes `-word` as it is. Click's would take the `h` of `-hat` for the option -h."""
        parser: Any = super().make_parser(ctx)
        match_options = getattr(parser, "_match_short_opt", None)
        if match_options is None:  # another version of click: `--` before the query still works
            return parser

        def match(argument: str, state: Any) -> None:
            if _SHORT.fullmatch(argument):
                match_options(argument, state)
            else:
                state.largs.append(argument)

        parser._match_short_opt = match
        return parser


class _Commands(Mapping[str, Any]):
    """The commands by name, each imported at its first use."""

    def __init__(self) -> None:
        self._imported: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._imported:
            self._imported[name] = _imported(name)
        return self._imported[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


def _imported(name: str) -> Any:
    module, attribute = _COMMANDS[name].split(".")
    found = getattr(import_module(f"imgret.cli.{module}"), attribute)
    alone = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        for member in found.registered_commands:
            member.epilog = _EPILOG
            assert member.callback is not None
            member.callback = bypass_typer(member.callback)
            member.cls = _Command
        alone.add_typer(found, name=name)
    else:
        settings = _SETTINGS.get(name, {})
        kind = _QueryCommand if "ignore_unknown_options" in settings else _Command
        alone.command(name, cls=kind, epilog=_EPILOG, context_settings=settings)(bypass_typer(found))
    return typer.main.get_group(alone).commands[name]


class _Group(TyperGroup):
    """`imgret` itself."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": _Commands()})

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands and the first sentence of each, without importing them."""
        from imgret.cli.complete_shell import load_tables

        known = load_tables()["imgret"]["commands"]
        listed = {
            name: TyperCommand(name, help=known[name]["help"]) if name in known else self.commands[name]
            for name in self.commands
        }
        TyperGroup(name=self.name, commands=listed, rich_markup_mode=None).format_commands(ctx, formatter)


app = typer.Typer(
    name="imgret",
    cls=_Group,
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


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code. Raises nothing."""
    return exit_code(lambda: int(app(arguments, prog_name="imgret") or 0))
