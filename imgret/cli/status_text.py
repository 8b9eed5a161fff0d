"""The JSON of `imgret status` as lines for a person."""

from __future__ import annotations

from typing import Any

from imgret.cli import console
from imgret.cli.index_report import NO_FOLDERS, shortened, unread_message
from imgret.stage_progress import stage_lines
from imgret.store.policy import MAX_ATTEMPTS
from imgret.terminal.clean import clean


def status_text(fields: dict[str, Any]) -> list[str]:
    """Return the lines for `status_fields`, safe to write to a terminal."""
    lines = [
        f"{console.counted(fields['photos'], 'photo')}: {fields['described']} described, {fields['pending']} pending,"
        f" {fields['failed']} failed, {fields['offline']} offline"
    ]
    for stage, count in fields["waiting"].items():
        reason = fields["waiting_reasons"].get(stage, "a stage that it needs has no results")
        lines.append(f"{count} without {stage}: {reason}")
    lines += [f"  {line}" for line in stage_lines(fields["progress"])]
    for folder in fields["folders"]:
        words = ["watched"] if folder["watched"] else []
        words += [] if folder["here"] else ["on other hosts"]
        words += [] if folder["online"] else [f"offline: {folder['reason']}"]
        lines.append(
            f"  {folder['path']}  {console.counted(folder['photos'], 'photo')}  {', '.join(words)}".rstrip()
        )
        lines += [f"    offline: {mount['reason']}" for mount in folder["away"]]
    if not fields["folders"]:
        lines.append(NO_FOLDERS)
    for failure in fields["failures"]:
        aside = (
            "no more automatic retries: `imgret retry`"
            if failure["again_at"] is None
            else f"try {failure['attempts']} of {MAX_ATTEMPTS}"
        )
        lines.append(f"  failed ({failure['stage']}, {aside}): {failure['reason']}")
    if fields["unread_metadata"]:
        lines.append(f"  {unread_message(fields['unread_metadata'])}")
    for lost in fields["lost_notes"]:
        text = shortened(lost["note"])
        lines.append(
            f'  {lost["path"]} is another photo than the one with the note "{text}";'
            " `imgret note FILE TEXT` writes it for this photo too, `imgret note --forget FILE` discards it"
        )
    lines += [f"  {_host_text(host)}" for host in fields["hosts"]]
    daemon = fields["daemon"] or {}
    lines += [f"  {sentence}" for sentence in [*daemon.get("troubled", ()), *daemon.get("unwatchable", ())]]
    lines += [f"  the disk of {folder} does not respond" for folder in daemon.get("silent", ())]
    lines.append(f"daemon: {_daemon_text(fields['daemon'])}")
    return [clean(line) for line in lines]


def _host_text(host: dict[str, Any]) -> str:
    """Return one line about a host: "host gpu1 (cuda): describing, 3.2 photos a second, 64 in flight, seen 4 s ago"."""
    words = [host["state"] or "indexes without a daemon"]
    words += [f"{host['rate']:.1f} photos a second"] if host["rate"] else []
    words += [f"{host['claimed']} in flight"] if host["claimed"] else []
    seconds = host["silent"]
    ago = (
        f"{seconds} s"
        if seconds < 120
        else f"{seconds // 60} min"
        if seconds < 7200
        else f"{seconds // 3600} h"
    )
    devices = f" ({host['devices']})" if host["devices"] else ""
    return f"host {host['name']}{devices}: {', '.join(words)}, seen {ago} ago"


def _daemon_text(state: dict[str, Any] | None) -> str:
    """Return the state of the daemon in one line."""
    if state is None:
        return "not running"
    words = str(state.get("state", "running"))
    if state.get("total"):
        words += (
            f", {state['done']} of {console.counted(state['total'], 'photo')}, {state['rate']} per second"
        )
    if state.get("problem"):
        words += f": {state['problem']}"
    if state.get("unwatched"):
        count = state["unwatched"]
        polled = f"{console.counted(count, 'folder')} {'is' if count == 1 else 'are'} polled"
        words += f"; {polled}: raise fs.inotify.max_user_watches"
    return words
