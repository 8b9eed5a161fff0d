"""`imgret models`: list, download and verify the weights that the configuration names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from imgret.cli import console
from imgret.cli.progress import Advance, bar
from imgret.cli.session import session
from imgret.errors import Exit, UsageError, WeightsError
from imgret.terminal.clean import clean

if TYPE_CHECKING:
    from imgret.cli.session import Session
    from imgret.stages.interface import Stage
    from imgret.weights.sources import Weights

models_app = typer.Typer(no_args_is_help=True, help="List, download and verify the weights of the models.")


@models_app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """List the stages, their weights, and whether they are on this disk."""
    import msgspec

    from imgret.stages import registry
    from imgret.weights.sources import Kind

    here = session()
    stages = registry.installed()
    width = max(8, *map(len, stages.names))
    for stage, found in _weights(stages.stages, here):
        off = found.kind is Kind.NONE
        state = "off" if off else "here" if found.present else "missing"
        if as_json:
            fields: dict[str, object] = {
                "stage": stage.name,
                "weights": found.name,
                "kind": found.kind.value,
                "state": state,
            }
            fields |= {"revision": found.revision or None, "path": found.path or None}
            console.out_json(msgspec.json.encode(fields))
        else:
            missing = (found.problem or "not on this disk").removeprefix(f"{found.name} ").removeprefix("is ")
            where = (found.revision or "")[:19] if found.present else missing
            console.out_line(
                clean(f"{stage.name:<{width}} {state:<8} {found.name}  {'' if off else where}".rstrip())
            )
    for name, problem in stages.problems.items():
        if as_json:
            console.out_json(msgspec.json.encode({"stage": name, "state": "broken", "problem": problem}))
        else:
            console.out_line(clean(f"{name:<{width}} broken   {problem}"))


@models_app.command("pull")
def pull(
    stages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STAGE",
            help="image, caption, detect, topics, embed, or a stage of another package. Default: all.",
        ),
    ] = None,
) -> None:
    """Download missing weights; an interrupted download is resumed. No other command uses the network."""
    from imgret.stages import registry
    from imgret.weights import pull as pulling
    from imgret.weights.sources import Kind

    here = session()
    wanted = [_stage(name) for name in stages] if stages else list(registry.installed().stages)
    pulled = False
    for stage, found in _weights(wanted, here):
        if found.kind not in (Kind.HUB, Kind.RELEASE):
            off = found.kind is Kind.NONE
            state = f"{found.problem}. {found.hint}" if found.needs else f"{found.name} needs no download"
            console.message(f"{stage.name}: " + ("switched off" if off else state))
            continue
        if found.needs and not stages:  # the names of stages override this: the packages may follow later
            console.message(f"{stage.name}: not downloaded, because {found.problem}. {found.hint}")
            continue
        pulled = True
        with bar(f"{stage.name}: {found.name}") as advance:
            record = pulling.pull(found, here.places, _on_progress(advance))
        console.message(
            f"{stage.name}: {found.name} at {record.revision[:19]}, {console.counted(len(record.files), 'file')}"
        )
    if pulled:
        console.message(
            "the next `imgret index`, or the daemon, describes the photos that waited for these weights"
        )


@models_app.command("verify")
def verify() -> None:
    """Check every file of the weights against the hashes of its download."""
    from imgret.stages import registry
    from imgret.weights.sources import Kind, checked

    here = session()
    all_ok = True
    for stage, found in _weights(registry.installed().stages, here):
        if found.kind is Kind.NONE:
            continue
        try:
            if not found.present:
                raise WeightsError(found.problem or "the weights are missing", "Run `imgret models pull`.")
            checked(found, here.places, full=True)
        except WeightsError as error:
            all_ok = False
            console.out_line(clean(f"WRONG {stage.name}: {error}. {error.hint}"))
        else:
            console.out_line(clean(f"ok    {stage.name}: {found.name} {(found.revision or '')[:19]}"))
    if not all_ok:
        raise typer.Exit(Exit.INDEX)


def _weights(stages: Iterable[Stage], here: Session) -> Iterator[tuple[Stage, Weights]]:
    """Yield the weights of each model of each stage."""
    from imgret.pipeline.loading import locate_each

    for stage in stages:
        for found in locate_each(stage, here.settings, here.places):
            yield stage, found


def _stage(name: str) -> Stage:
    from imgret.stages import registry

    stage = registry.find(name)
    if stage is None:
        known = ", ".join(registry.installed().names)
        raise UsageError(f"there is no stage {name}", f"Name one of these: {known}.")
    return stage


def _on_progress(advance: Advance) -> Callable[[str, int, int], None]:
    return lambda name, done, total: advance(done, total, name)
