"""The user's own keywords and rating: `imgret tag`, `imgret rate`, and keywords as people write them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saving import save

from imgret.cli.commands import run
from imgret.errors import UsageError
from imgret.own_tags import LONGEST_TAG, checked, own_tags, parsed, written
from imgret.photo import Metadata, ModelIdentity
from imgret.stages.metadata import STAGE
from imgret.store.interface import Store
from imgret.store.records import TextColumn

Command = Callable[..., tuple[int, str, str]]
LABELS = st.text(
    st.characters(exclude_categories=["C", "Z"]) | st.just(" ") | st.sampled_from(',"'),
    min_size=1,
    max_size=LONGEST_TAG,
)


@pytest.fixture
def command(
    store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], add: Callable[..., int]
) -> Command:
    columns = [TextColumn(each.name, STAGE.name, each.weight) for each in STAGE.columns]
    store.text_columns.set([*(each for each in store.text_columns.all() if each.stage), *columns])
    photo = add("a.jpg", caption="a red boat")
    save(store, photo, "metadata", ModelIdentity("metadata", "2"), Metadata(keywords=("sea",), rating=2))
    monkeypatch.setenv("IMGRET_INDEX", store.path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(list(arguments))
        return (code, *capfd.readouterr())

    return call


def metadata(command: Command) -> dict[str, object]:
    found: dict[str, object] = json.loads(command("show", "--json", "/photos/a.jpg")[1])["metadata"]
    return found


def test_keywords_of_ones_own(command: Command, store: Store) -> None:
    assert command("tag", "/photos/a.jpg") == (1, "", "no keywords of yours\n")
    assert command("tag", "/photos/a.jpg", "Family", " two  words ") == (0, "", "")
    assert command("tag", "/photos/a.jpg") == (0, "Family\ntwo words\n", "")
    assert metadata(command)["keywords"] == ["sea", "Family", "two words"]
    assert command("query", "keyword:family")[1] == "/photos/a.jpg\n"
    assert command("tag", "--remove", "/photos/a.jpg", "FAMILY") == (0, "", "")
    assert metadata(command)["keywords"] == ["sea", "two words"]
    code, _, message = command("tag", "/photos/a.jpg", "x" * (LONGEST_TAG + 1))
    assert (code, "a tag has 1 to 200 characters" in message) == (2, True)
    code, _, message = command("tag", "/photos/none.jpg", "sea")
    assert (code, "/photos/none.jpg is not in the index" in message) == (2, True)


def test_a_keyword_that_is_not_there_cannot_be_removed(command: Command) -> None:
    command("tag", "/photos/a.jpg", "boat", "red")
    assert command("tag", "--remove", "/photos/a.jpg", "Harbour") == (
        1,
        "",
        "Harbour is no keyword of yours\n",
    )
    of_file = "Sea is a keyword of the file, which stays as it is\n"
    assert command("tag", "--remove", "/photos/a.jpg", "Sea") == (1, "", of_file)
    assert command("tag", "--remove", "/photos/a.jpg", "BOAT", "Sea") == (0, "", of_file)  # one was removed
    assert command("tag", "/photos/a.jpg") == (0, "red\n", "")
    assert metadata(command)["keywords"] == ["sea", "red"]


def test_a_keyword_is_removed_with_its_accents_alone(command: Command) -> None:
    command("tag", "/photos/a.jpg", "Été", "ete!")
    assert command("query", "keyword:ete")[1] == "/photos/a.jpg\n"
    message = "ete is no keyword of yours, but Été is: write its accents\n"
    assert command("tag", "--remove", "/photos/a.jpg", "ete") == (1, "", message)
    assert command("tag", "/photos/a.jpg") == (0, "ete!\nÉté\n", "")
    assert command("tag", "--remove", "/photos/a.jpg", "ÉTÉ") == (0, "", "")
    assert command("tag", "/photos/a.jpg") == (0, "ete!\n", "")


def test_a_rating_of_ones_own_counts_before_that_of_the_file(command: Command) -> None:
    assert command("rate", "/photos/a.jpg") == (1, "", "no rating of yours\n")
    assert command("rate", "/photos/a.jpg", "5") == (0, "", "")
    assert command("rate", "/photos/a.jpg") == (0, "5\n", "")
    assert metadata(command)["rating"] == 5
    assert command("query", "rating:5")[1] == command("query", "rating>=4")[1] == "/photos/a.jpg\n"
    assert command("query", "rating=2")[:2] == (1, "")
    assert command("rate", "/photos/a.jpg", "0") == (0, "", "")
    assert metadata(command)["rating"] == 2
    code, _, message = command("rate", "/photos/a.jpg", "6")
    assert (code, "a rating has 0 to 5 stars, not 6" in message) == (2, True)


def test_both_say_what_is_whose(command: Command, store: Store) -> None:
    command("tag", "/photos/a.jpg", "boat")
    command("rate", "/photos/a.jpg", "4")
    photo = store.photos.find(b"/photos/a.jpg")
    assert photo is not None
    assert photo.content is not None
    found = own_tags(store, photo.content)
    assert (found.keywords, found.stars, found.file_keywords, found.file_stars) == (("boat",), 4, ("sea",), 2)


@given(st.lists(LABELS, max_size=20))
def test_keywords_survive_being_written(labels: list[str]) -> None:
    once = {
        label.casefold(): label for label in reversed([" ".join(text.split()) for text in labels]) if label
    }
    assert sorted(parsed(written(list(once.values())))) == sorted(once.values())


@given(st.text())
def test_any_text_has_keywords_or_a_reason(text: str) -> None:
    try:
        found = parsed(text)
    except UsageError as error:
        assert str(error)
    else:
        assert parsed(written(found)) == found == checked(found)
