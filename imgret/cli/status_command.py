"""`imgret status`, `retry`, `doctor` and `export`: the index as a whole."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from imgret import disk_calls
from imgret.cli import console
from imgret.cli.index_report import NO_FOLDERS, shortened
from imgret.cli.session import Session, session
from imgret.disk_calls import NotAnswering
from imgret.errors import Exit, UsageError
from imgret.store import paths
from imgret.terminal.clean import clean

SHOWN_NOTES = 100  # notes that lost their photo


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Watch the daemon work.")] = False,
    skipped: Annotated[
        bool, typer.Option("--skipped", help="Also what lies in the folders and was left out, and why.")
    ] = False,
) -> None:
    """Show how many photos there are, how far they are, what failed."""
    here = session()
    if follow:
        from imgret.cli.daemon_link import follow_daemon

        follow_daemon(here)
        return
    told = status_fields(here)
    if skipped:
        from imgret.cli.skipped_report import skipped_fields, skipped_text

        told["skipped"] = skipped_fields(here) if os.path.exists(here.places.index) else []
    if as_json:
        import msgspec

        console.out_json(msgspec.json.encode(told))
        return
    for line in status_text(told):
        console.out_line(line)
    if skipped:
        for line in skipped_text(told["skipped"]):
            console.out_line(clean(line))


def status_fields(here: Session) -> dict[str, Any]:
    """The JSON of `imgret status`."""
    import msgspec

    from imgret.cli.daemon_link import daemon_state
    from imgret.search.hit_json import path as path_fields
    from imgret.stages import registry
    from imgret.stages.interface import DECODE

    told: dict[str, Any] = {"v": 1, "index": here.places.index}
    if not os.path.exists(here.places.index):
        empty = dict.fromkeys(("photos", "described", "pending", "failed", "offline"), 0)
        lists: dict[str, Any] = {name: [] for name in ("folders", "failures", "lost_notes")}
        return told | empty | {"waiting": {}, "stages": {}, "daemon": daemon_state(here)} | lists
    with here.index() as store:
        aside = store.summary.waiting_stages()
        figures = msgspec.structs.asdict(store.summary.totals(aside))
        told |= figures
        waits = store.work.waiting()
        told["waiting"] = {stage: waits[stage] for stage in sorted(aside) if stage in waits}
        wanted = here.settings.stages()
        told["stages"] = {
            stage: waits.get(stage, 0) for stage in (DECODE, *registry.installed().names) if stage in wanted
        }
        told["daemon"] = daemon_state(here)
        told["folders"] = [
            {
                **path_fields(root.path),
                "photos": store.summary.photos_under(root.id),
                "watched": root.watched,
                "online": root.online,
                "reason": root.reason,
                "away": [
                    {**path_fields(paths.join(root.path, mount.folder, b"")[:-1]), "reason": mount.reason}
                    for mount in store.roots.mounts(root.id)
                    if mount.reason is not None
                ],
                "scanned_at": root.scanned_at,
            }
            for root in store.roots.all()
        ]
        told["failures"] = [
            {
                **path_fields(failure.path),
                "stage": failure.stage,
                "reason": failure.error,
                "attempts": failure.attempts,
                "again_at": None if failure.set_aside else failure.not_before,
            }
            for failure in store.failures.all(100)
        ]
        told["lost_notes"] = [
            {**path_fields(lost.path), "note": lost.text} for lost in store.notes.lost_notes()[:SHOWN_NOTES]
        ]
    return told


def status_text(told: dict[str, Any]) -> list[str]:
    """The same for a person: cleaned lines."""
    lines = [
        f"{console.counted(told['photos'], 'photo')}: {told['described']} described, {told['pending']} pending,"
        f" {told['failed']} failed, {told['offline']} offline"
    ]
    for stage, count in told["waiting"].items():
        lines.append(f"{count} without {stage}: weights are missing, run `imgret models pull`")
    todo = {stage: count for stage, count in told["stages"].items() if count and stage not in told["waiting"]}
    if todo:
        lines.append("to do: " + ", ".join(f"{stage} {count}" for stage, count in todo.items()))
    for folder in told["folders"]:
        words = ["watched"] if folder["watched"] else []
        words += [] if folder["online"] else [f"offline: {folder['reason']}"]
        lines.append(
            f"  {folder['path']}  {console.counted(folder['photos'], 'photo')}  {', '.join(words)}".rstrip()
        )
        lines += [f"    offline: {mount['reason']}" for mount in folder["away"]]
    if not told["folders"]:
        lines.append(NO_FOLDERS)
    for failure in told["failures"]:
        aside = (
            "set aside; `imgret retry`" if failure["again_at"] is None else f"try {failure['attempts']} of 5"
        )
        lines.append(f"  failed ({failure['stage']}, {aside}): {failure['reason']}")
    for lost in told["lost_notes"]:
        text = shortened(lost["note"])
        lines.append(
            f'  {lost["path"]} holds another picture than the one with the note "{text}";'
            " `imgret note FILE TEXT` writes it on this one too, `imgret note --forget FILE` ends this line"
        )
    daemon = told["daemon"] or {}
    lines += [f"  {sentence}" for sentence in [*daemon.get("troubled", ()), *daemon.get("unwatchable", ())]]
    lines += [f"  the disk of {folder} does not answer" for folder in daemon.get("silent", ())]
    lines.append(f"daemon: {_daemon_words(told['daemon'])}")
    return [clean(line) for line in lines]


def _daemon_words(state: dict[str, Any] | None) -> str:
    """The daemon's own words about itself, in one line."""
    if state is None:
        return "not running"
    words = str(state.get("state", "running"))
    if state.get("total"):
        words += f", {state['done']} of {console.counted(state['total'], 'photo')}, {state['rate']} a second"
    if state.get("problem"):
        words += f": {state['problem']}"
    if state.get("unwatched"):
        count = state["unwatched"]
        polled = f"{console.counted(count, 'folder')} {'is' if count == 1 else 'are'} polled"
        words += f"; {polled}: raise fs.inotify.max_user_watches"
    return words


def retry(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE", help="None: all that failed.")] = None,
) -> None:
    """Try failed photos again now, those that were set aside too."""
    from imgret.cli.daemon_link import told_daemon
    from imgret.cli.session import absolute

    here = session()
    with here.index() as store:
        found = {file: store.photos.find(absolute(file)) for file in files or ()}
        known = {file: photo for file, photo in found.items() if photo and photo.gone_at is None}
        count = store.failures.retry(list(known.values()) if files else None)
    waked = told_daemon(here, "retry", {})
    if known or not files:
        then = ": run `imgret index`" if not waked else ""
        console.say(f"{count} to be tried again{then if count else ': `imgret status` lists what failed'}")
    unknown = [file for file in found if file not in known]
    for file in unknown[1:]:
        console.say(f"{file} is not in the index")
    if unknown:
        folder = _is_folder(absolute(unknown[0]))
        hint = "Name photos, or none to try all again." if folder else f"`imgret show {unknown[0]}` says why."
        raise UsageError(f"{unknown[0]} is {'a folder' if folder else 'not in the index'}", hint)


def _is_folder(path: bytes) -> bool:
    try:
        return disk_calls.call(path, lambda: os.path.isdir(path))
    except NotAnswering:
        return False


def doctor(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Rebuild the tables that are derived from others.")
    ] = False,
) -> None:
    """Say what is wrong, and what to do.

    Looks at the index, the weights, the folders and the programs around them; exits with 3 when one is WRONG.
    `todo` marks what works without it.
    """
    from imgret.cli.doctor_checks import checks, rebuild_derived

    here = session()
    if rebuild:
        rebuild_derived(here)
    sound = True
    for good, sentence in checks(here):
        sound &= good is not False
        mark = {True: "ok   ", False: "WRONG", None: "todo "}[good]
        console.out_line(clean(f"{mark} {sentence}"))
    if not sound:
        raise typer.Exit(Exit.INDEX)


def export() -> None:
    """Print every photo as JSON, one a line, as `imgret show` does."""
    from imgret.cli.photo_lines import state_line
    from imgret.photo_state import photo_state

    here = session()
    with here.index() as store:
        for path in store.photos.all_paths():
            console.out_line(state_line(photo_state(store, here.settings, path)))


def pause() -> None:
    """Pause the daemon until `imgret resume`."""
    from imgret.cli.daemon_link import command_daemon

    command_daemon(session(), "pause")
    console.say("the daemon pauses; questions are answered all the same")


def resume() -> None:
    """Let the daemon go on."""
    from imgret.cli.daemon_link import command_daemon

    command_daemon(session(), "resume")
    console.say("the daemon goes on")
