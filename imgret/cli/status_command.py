"""`imgret status`: the progress of indexing, failures, and the state of the daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from imgret.cli import console
from imgret.cli.session import session
from imgret.store.factory import exists
from imgret.terminal.clean import clean


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show the progress of the daemon.")] = False,
    skipped: Annotated[
        bool, typer.Option("--skipped", help="Also show what was left out of the index, and why.")
    ] = False,
) -> None:
    """Show the progress of indexing and what failed."""
    here = session()
    if follow:
        from imgret.cli.daemon_link import follow_daemon

        follow_daemon(here)
        return
    from imgret.cli.status_fields import status_fields
    from imgret.cli.status_text import status_text

    fields = status_fields(here)
    if skipped:
        from imgret.cli.skipped_report import skipped_fields, skipped_text

        fields["skipped"] = skipped_fields(here) if exists(here.places.index) else []
    if as_json:
        import msgspec

        console.out_json(msgspec.json.encode(fields))
        return
    for line in status_text(fields):
        console.out_line(line)
    if skipped:
        for line in skipped_text(fields["skipped"]):
            console.out_line(clean(line))
