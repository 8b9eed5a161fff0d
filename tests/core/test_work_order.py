"""In which order the work of a run is claimed: requests, cheap stages first, newest photos first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from imgret.photo import FileStat
from imgret.pipeline.passes import Costs
from imgret.stages import registry
from imgret.stages.interface import DECODE
from imgret.store.interface import Store
from imgret.store.policy import ARRIVED, BACKLOG
from imgret.store.records import Claim
from imgret.work_order import WorkOrder

STAGES = frozenset({DECODE, *registry.own().names})
SECONDS = {DECODE: 0.05, "image": 0.1, "detect": 0.5} | dict.fromkeys(("caption", "topics", "embed"), 1.0)
SLOW_STAGES = frozenset({"caption", "topics", "embed"})


@pytest.fixture
def costs() -> Costs:
    """Passes: decode and image, detect, the rest. About 20 photos are described within a minute."""
    measured = Costs()
    for stage in STAGES:
        measured.add(stage, SECONDS.get(stage, 0.0), 1)
    return measured


class Library:
    """Photos whose number is their date."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.root = store.roots.add(b"/p").id
        self.numbers: dict[int, int] = {}

    def add(self, number: int, folder: bytes = b"", request: int = BACKLOG) -> None:
        name, mtime = b"%d.jpg" % number, number * 10**9
        digest = b"%032d" % number
        content, _ = self.store.photos.save(self.root, folder, name, FileStat(1, mtime, 1, number), digest, 1)
        self.store.work.queue(content, STAGES, request)
        self.numbers[content] = number

    def run(
        self,
        costs: Costs,
        meanwhile: Callable[[int], None] = lambda _: None,
        on_request: Callable[[], None] = lambda: None,
        *,
        arrivals: bool = True,
        sample: int = 1,
    ) -> list[tuple[int, frozenset[str]]]:
        """Do all work as it is claimed. Return (number, stages) in this order."""
        done: list[tuple[int, frozenset[str]]] = []
        order = WorkOrder(
            self.store, STAGES, costs, sample, lambda: len(done) > 5000, on_request, arrivals=arrivals
        )
        for claims in order.runs():
            for claim in _in_window(claims):
                self.store.work.done(claim.content, claim.stages)
                done.append((self.numbers[claim.content], claim.stages))
                meanwhile(len(done))
        return done


def _in_window(claims: Iterator[Claim]) -> Iterator[Claim]:
    """Finish a claim only after the next three were taken, as the pipeline does."""
    window: list[Claim] = []
    for claim in claims:
        window.append(claim)
        if len(window) > 3:
            yield window.pop(0)
    yield from window


@pytest.fixture
def library(store: Store) -> Library:
    return Library(store)


def test_a_library_is_done_stage_by_stage_and_the_newest_photos_first(library: Library, costs: Costs) -> None:
    for number in range(100):
        library.add(number)
    done = library.run(costs)
    newest_first = list(range(99, -1, -1))
    assert [number for number, stages in done if DECODE in stages] == newest_first
    assert [number for number, stages in done if "caption" in stages] == newest_first
    assert DECODE in done[99][1]
    assert done[100:200] == [(number, frozenset({"detect", "ocr"})) for number in newest_first]
    assert len(done) == 300
    assert library.store.work.waiting() == {}


def test_a_few_photos_are_described_in_one_decode(library: Library, costs: Costs) -> None:
    for number in range(10):
        library.add(number)
    assert library.run(costs) == [(number, STAGES) for number in range(9, -1, -1)]


def test_while_costs_are_unknown_a_sample_is_described_completely(library: Library) -> None:
    for number in range(50):
        library.add(number)
    done = library.run(Costs(), sample=4)
    assert [stages for _, stages in done[:4]] == [STAGES] * 4
    assert done[4][1].isdisjoint(SLOW_STAGES)
    assert library.store.work.waiting() == {}


def test_what_arrives_during_a_run_comes_first_and_completely(library: Library, costs: Costs) -> None:
    def meanwhile(done: int) -> None:
        if done == 20:
            library.add(5, request=ARRIVED)  # an old date: it just arrived all the same

    for number in range(100, 200):
        library.add(number)
    done = library.run(costs, meanwhile)
    place = next(at for at, (number, _) in enumerate(done) if number == 5)
    assert place < 100
    assert done[place][1] == STAGES
    assert library.store.work.waiting() == {}


def test_a_run_without_arrivals_leaves_them_to_the_next(library: Library, costs: Costs) -> None:
    def meanwhile(done: int) -> None:
        if done < 300:
            library.add(1000 + done, request=ARRIVED)

    for number in range(50):
        library.add(number)
    library.run(costs, meanwhile, arrivals=False)
    assert library.store.work.due(STAGES, 1) == 150


def test_of_two_requests_the_smaller_comes_first_and_both_before_the_backlog(
    library: Library, costs: Costs
) -> None:
    for number in range(60):
        library.add(number, b"small" if number < 3 else b"large" if number < 40 else b"other")
    small = library.store.work.request([b"/p/small"])
    large = library.store.work.request([b"/p/large"])
    left: list[tuple[int, int]] = []
    done = library.run(
        costs,
        lambda _: left.append((library.store.work.left_of(small), library.store.work.left_of(large))),
    )
    assert [number for number, _ in done[:3]] == [2, 1, 0]
    assert all(stages == STAGES for _, stages in done[:3])
    finished = next(at for at, counts in enumerate(left) if counts == (0, 0))
    # Only what had been claimed before the end of the requests was known is of the backlog.
    assert sum(number >= 40 for number, _ in done[: finished + 1]) <= 12
    assert library.store.work.waiting() == {}


def test_each_new_request_is_announced_before_the_next_claim(library: Library, costs: Costs) -> None:
    announced: list[int] = []

    def meanwhile(done: int) -> None:
        if done in (5, 6, 40):
            library.store.work.request([b"/p"])

    for number in range(60):
        library.add(number)
    library.run(costs, meanwhile, lambda: announced.append(library.store.work.requests_made()))
    assert announced in ([1, 2, 3], [2, 3])  # two may be announced together


def test_a_run_ends_although_one_photo_is_queued_again_each_time(library: Library, costs: Costs) -> None:
    for number in range(80):
        library.add(number)
    content = next(iter(library.numbers))

    def meanwhile(done: int) -> None:
        library.store.work.queue(content, ["embed"], ARRIVED)

    done = library.run(costs, meanwhile)
    assert len(done) < 1000
    assert {number for number, stages in done if "caption" in stages} == set(range(80))
