"""The index of substrings in an index that version 6 wrote."""

from __future__ import annotations

import lzma
from pathlib import Path

from imgret.photo import ModelIdentity
from imgret.store.clauses import Clause, Containing
from imgret.store.factory import open_store
from imgret.store.records import TextColumn

FILE = Path(__file__).parent.parent / "data" / "index-v6.db.xz"


def test_the_column_of_text_in_photos_changes_no_result(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(lzma.decompress(FILE.read_bytes()))
    with open_store(str(path)) as store:

        def giraffes() -> list[int]:
            return store.words.best(store.words.terms(["giraffe", "restaurant"]), 20, 1000).tolist()

        found = giraffes()
        assert found
        columns = [TextColumn("caption", "caption"), TextColumn("ocr", "ocr", substrings=True)]
        assert store.text_columns.set(columns)
        assert giraffes() == found
        content = store.filters.matching(()).tolist()[0]
        store.results.save(
            content, "ocr", ModelIdentity("test", "1"), ["RE16 TGK"], texts={"ocr": "RE16 TGK"}
        )
        assert store.filters.matching([Clause(Containing("16tgk"))]).tolist() == [content]
        store.forget_stage("ocr")
        assert store.filters.matching([Clause(Containing("16tgk"))]).tolist() == []
        assert giraffes() == found
        assert [*store.problems(), *store.documents.check()] == []
