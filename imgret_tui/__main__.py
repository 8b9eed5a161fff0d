"""`imgret-tui`: search photos as you type, and print the paths that were chosen.

Nothing heavy is imported before the first screen is drawn. The terminal is queried for its capabilities while
Textual is imported.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Sequence

from imgret import __version__, inputs
from imgret.errors import Exit
from imgret.terminal.probe import Graphics, TerminalQuery
from imgret.terminal.tty import own_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from imgret_tui.photo_actions import Outcome

_FEW_COLOURS = ("linux", "rxvt", "vt")  # terminals that misread colours of 24 bits

EPILOG = """exit codes: 0 chosen, 1 nothing matched, 2 an error, 130 quit without choosing

imgret-tui | xargs -d'\\n' feh               look at what was chosen
imgret-tui --multi -0 | xargs -0 cp -t DIR   copy the marked photos
cd "$(dirname "$(imgret-tui 'red boat')")"    go to the folder of a photo"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program. -> the exit code, as fzf's."""
    options = _parser().parse_args(arguments)
    gc.disable()  # until the first screen: imports leave no garbage, and the search for it takes a tenth of the time
    try:
        outcome = _run(options)
        if outcome is not None:
            _print(outcome, b"\0" if options.print0 else b"\n")
    except KeyboardInterrupt:  # before there is a picker, which takes ctrl-C as a key
        return Exit.INTERRUPTED
    except Exception as error:
        from imgret.cli.boundary import as_imgret_error
        from imgret.cli.console import print_error

        print_error(as_imgret_error(error), "imgret-tui")
        return Exit.USAGE
    return Exit.USAGE if outcome is None else outcome.code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imgret-tui",
        description="Search your photos in plain words, see them in the terminal, print the chosen paths.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("query", nargs="*", metavar="QUERY", help="the first query")
    parser.add_argument("-q", "--query", metavar="QUERY", dest="first", help="the first query, as an option")
    parser.add_argument(
        "--select-1",
        action="store_true",
        help="print the photo at once if exactly one matches, without the picker",
    )
    parser.add_argument("--exit-0", action="store_true", help="quit at once, with 1, if no photo matches")
    parser.add_argument(
        "--preview-only", action="store_true", help="begin with the full-screen photo, without the list"
    )
    parser.add_argument(
        "--bind",
        action="append",
        default=[],
        metavar="KEY:ACTION",
        help="bind a key to an action, as fzf: alt-x:execute(gimp {}); f1 lists keys, docs/picker.md actions",
    )
    parser.add_argument("-m", "--multi", action="store_true", help="tab marks several photos")
    parser.add_argument("-0", "--print0", action="store_true", help="end each path with NUL, not newline")
    parser.add_argument(
        "--graphics",
        type=Graphics,
        choices=list(Graphics),
        default=Graphics.AUTO,
        metavar="{" + ",".join(Graphics) + "}",
        help="how to show pictures (default: what the terminal can do)",
    )
    parser.add_argument(
        "--index",
        metavar="PLACE",
        help="the index: a file, or the address of a database (default: $IMGRET_INDEX or the usual one)",
    )
    parser.add_argument("--version", action="version", version=f"imgret-tui {__version__}")
    return parser


def _run(options: argparse.Namespace) -> Outcome | None:
    """Run the app on the terminal. -> how it ended; None after an unexpected error, which it has printed."""
    _prepare_textual(os.environ)
    with own_terminal() as descriptor, TerminalQuery(descriptor) as query:
        from msgspec.structs import replace

        from imgret.config import load, places
        from imgret.places import index_place, is_server
        from imgret_tui.driver_selection import choose_driver
        from imgret_tui.early_outcome import early_outcome
        from imgret_tui.index_backend import IndexBackend
        from imgret_tui.layout_memory import LayoutMemory
        from imgret_tui.picker_app import PickerApp
        from imgret_tui.query_history import QueryHistory
        from imgret_tui.terminal_session import TerminalSession
        from imgret_tui.user_keymap import user_keymap

        where = places()
        if options.index:
            where = replace(where, index=index_place(options.index))
        settings = load(where.config)
        keymap = user_keymap(settings.picker, options.bind, where.config)
        text = inputs.clean_text(" ".join([*([options.first] if options.first else []), *options.query]))
        if options.select_1 or options.exit_0:
            outcome = early_outcome(
                IndexBackend(settings, where), text, one=options.select_1, none=options.exit_0
            )
            if outcome is not None:
                return outcome
        capabilities, typed_ahead = query.capabilities(options.graphics)
        choice = choose_driver(capabilities)
        app = PickerApp(
            lambda: IndexBackend(settings, where),
            query=text,
            keymap=keymap,
            memory=LayoutMemory(os.path.join(where.state, "picker-layout")),
            preview_only=options.preview_only,
            multi=options.multi,
            history=QueryHistory(os.path.join(where.state, "questions")),
            terminal=TerminalSession(descriptor, choice.capabilities, typed_ahead),
            colourless=bool(os.environ.pop("NO_COLOR", "")),
            driver=choice.driver,
            warning=choice.warning,
            server=where.index if is_server(where.index) else None,
        )
        outcome = app.run()
        for error in app.unsaved:
            from imgret.cli.console import print_error

            print_error(error, "imgret-tui")
        return outcome


def _prepare_textual(environ: dict[str, str] | os._Environ[str]) -> None:
    """Set what Textual reads when it is imported."""
    # These are the size of the terminal of the shell, which may be another one.
    environ.pop("COLUMNS", None)
    environ.pop("LINES", None)
    environ["TEXTUAL_ANIMATIONS"] = "none"
    kind = environ.get("TERM", "")
    if not environ.get("TMUX") and (environ.get("STY") or kind.startswith("screen.")):
        # GNU screen 4 misreads colours of 24 bits, and COLORTERM is that of the terminal around it.
        environ["TEXTUAL_COLOR_SYSTEM"] = "256"
    elif environ.get("TERM_PROGRAM") != "Apple_Terminal" and not kind.startswith(_FEW_COLOURS):
        # The colour of a cell is the id of its image, so it must reach the terminal unchanged.
        environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"


def _print(outcome: Outcome, end: bytes) -> None:
    """Write the chosen paths, byte for byte as they are on disk. Raises ImgretError if they cannot be written."""
    if outcome.hits:
        from imgret.cli import console

        with contextlib.suppress(SystemExit):  # the reader has ended
            console.out(b"".join(hit.path + end for hit in outcome.hits))
            console.flush()


if __name__ == "__main__":
    sys.exit(main())
