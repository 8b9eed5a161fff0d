"""`imgret-tui`: search photos as you type, and print the paths that were chosen.

Nothing heavy is imported until the first screen has been painted, and the terminal is asked what it can
show while Textual is imported.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence

from imgret import __version__, inputs
from imgret.errors import Exit
from imgret.terminal.probe import Conversation, Graphics
from imgret.terminal.tty import own_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from imgret_tui.app import Outcome

EPILOG = """exit codes: 0 chosen, 1 nothing matched, 2 an error, 130 left without choosing

imgret-tui | xargs -d'\\n' feh               look at what was chosen
imgret-tui --multi -0 | xargs -0 cp -t DIR   copy the marked photos
cd "$(dirname "$(imgret-tui 'red boat')")"    go where a photo lies"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code, as fzf's."""
    options = _parser().parse_args(arguments)
    gc.disable()  # until the first screen stands: imports make no garbage, and looking for it takes a tenth
    try:
        outcome = _run(options)
    except Exception as error:
        from imgret.cli.boundary import as_sentence
        from imgret.cli.console import complain

        complain(as_sentence(error), "imgret-tui")
        return Exit.USAGE
    if outcome is None:
        return Exit.USAGE
    return _print(outcome, b"\0" if options.print0 else b"\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imgret-tui",
        description="Search your photos in plain words, see them in the terminal, print the chosen paths.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question", nargs="*", metavar="QUERY", help="what to search for at first")
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
    parser.add_argument("--index", metavar="FILE", help="the index (default: $IMGRET_INDEX or the usual one)")
    parser.add_argument("--version", action="version", version=f"imgret-tui {__version__}")
    return parser


def _run(options: argparse.Namespace) -> Outcome | None:
    """Take the terminal, run the app, give the terminal back."""
    _prepare_textual(os.environ)
    with own_terminal() as descriptor, Conversation(descriptor) as conversation:
        from msgspec.structs import replace

        from imgret.config import load, places
        from imgret_tui.app import ImgretApp, TerminalSession
        from imgret_tui.history import History
        from imgret_tui.indexed import IndexLibrary

        where = places()
        if options.index:
            where = replace(where, index=os.path.abspath(options.index))
        settings = load(where.config)
        capabilities, typed_ahead = conversation.answers(options.graphics)
        app = ImgretApp(
            lambda: IndexLibrary(settings, where),
            question=inputs.words(" ".join(options.question)),
            multi=options.multi,
            history=History(os.path.join(where.state, "questions")),
            terminal=TerminalSession(descriptor, capabilities, typed_ahead),
            colourless=bool(os.environ.pop("NO_COLOR", "")),
        )
        return app.run()


def _prepare_textual(environ: dict[str, str] | os._Environ[str]) -> None:
    """Textual reads these once, when it is imported."""
    # Sizes of a shell that started us, not of the terminal we draw on.
    environ.pop("COLUMNS", None)
    environ.pop("LINES", None)
    environ["TEXTUAL_ANIMATIONS"] = "none"
    # The colour of a cell names its picture: it must arrive as it is.
    environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"


def _print(outcome: Outcome, end: bytes) -> int:
    """Write the chosen paths, byte for byte as they are on disk."""
    try:
        if outcome.hits:
            sys.stdout.buffer.write(b"".join(hit.path + end for hit in outcome.hits))
            sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader has gone; what Python would say about it at exit helps nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
