"""`imgretd`: the command line of the daemon."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

from imgret import __version__
from imgret.config import load, places
from imgret.errors import Exit, ImgretError
from imgret.terminal.clean import clean
from imgretd import journal


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon until it is stopped. Returns an exit code of `imgret.errors.Exit`."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)
    journal.set_up(logging.DEBUG if options.verbose else logging.INFO, plain=options.foreground)
    try:
        where = places()
        settings = load(where.config)
        from imgret.pipeline.loading import load_models
        from imgretd.daemon_service import Service

        asyncio.run(Service(where, settings, load_models).run())
    except ImgretError as error:
        print(f"imgretd: {clean(str(error))}", file=sys.stderr)
        if error.hint:
            print(clean(error.hint), file=sys.stderr)
        return int(error.exit_code)
    except KeyboardInterrupt:  # before the event loop handles signals
        return int(Exit.INTERRUPTED)
    return int(Exit.OK)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imgretd",
        description="Watches the configured folders, describes new photos, serves `imgret` and `imgret-tui`.",
        epilog="Signals: SIGTERM and SIGINT end it within 5 s, SIGHUP reads the configuration again.",
    )
    parser.add_argument("--version", action="version", version=f"imgretd {__version__}")
    parser.add_argument("--foreground", action="store_true", help="log to stderr, never to the journal")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    return parser
