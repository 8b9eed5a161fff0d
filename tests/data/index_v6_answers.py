"""What `index_v6.py` records: the output of queries and commands on an index of schema version 6."""

from __future__ import annotations

import base64
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from index_v6_queries import PHOTOS, QUERIES


class Encoders:
    """The real embedder, whose vectors are kept for the test."""

    def __init__(self) -> None:
        from imgret.describe.loading import load_embedder
        from imgret.search.ask import QueryEmbedder

        from imgret.config import EmbedSettings, Settings, places

        settings = Settings(embed=EmbedSettings(weights="wordllama"))
        self._embedder = QueryEmbedder(load_embedder(settings, places()))
        self.kept: dict[str, str] = {}

    @property
    def identity(self) -> Any:
        return self._embedder.identity

    def encoder(self, _wanted: object) -> Encoders:
        return self

    def vectors(self, texts: list[str]) -> Any:
        rows = self._embedder.vectors(texts)
        for text, row in zip(texts, rows, strict=True):
            self.kept[text] = base64.b64encode(row.astype("<f4").tobytes()).decode()
        return rows


def answers() -> dict[str, Any]:
    """Every query and command with what it prints."""
    import msgspec
    from imgret.answer import SearchService
    from imgret.index.connection import Index
    from imgret.request import Request

    from imgret.config import load, places

    here, encoders = places(), Encoders()
    recorded: dict[str, Any] = {"queries": [], "commands": []}
    with Index(here.index) as index:
        service = SearchService(index, load(here.config), here, encoders)  # type: ignore[arg-type]
        for query in QUERIES:
            found = service.answer(msgspec.convert({"format": "json"} | query, Request))
            lines = [json.loads(line) for line in found.output.splitlines()]
            recorded["queries"].append({"query": query, "exit": int(found.exit), "hits": lines})
        counts = (
            "note",
            "vector",
            "stage_result",
            "work",
            "unreadable",
            "photo",
            "content",
            "replaced",
            "mount",
        )
        recorded["rows"] = {table: index.row(f"SELECT count(*) FROM {table}")[0] for table in counts}
        recorded["vectors"] = list(
            index.rows(
                "SELECT name, view, count(*) FROM vector JOIN model ON model.id = model GROUP BY 1, 2 ORDER BY 1, 2"
            )
        )
        recorded["notes"] = list(index.rows("SELECT content, text, hex(path) FROM note ORDER BY content"))
        recorded["detections"] = list(index.rows("SELECT label, content, count FROM detection ORDER BY 1, 2"))
        recorded["topics"] = list(index.rows("SELECT label, content FROM topic ORDER BY 1, 2"))
    for arguments in (["export"], ["status", "--json"], ["folders"], *shown()):
        recorded["commands"].append({"arguments": arguments, **printed(arguments)})
        for line in recorded["commands"][-1]["lines"]:
            if isinstance(line, dict):
                line.pop("index", None)  # the file's own path
    recorded["encoded"] = encoders.kept
    recorded["embedder"] = identity_fields(encoders.identity)
    return recorded


def shown() -> list[list[str]]:
    """`imgret show` of photos in every state."""
    names = (
        "edited.jpg", "lost.jpg", "open.jpg", "draft.jpg", "copies/copy.jpg", "copies/twin.jpg",
        "copies/broken.jpg", "copies/empty.jpg", "copies/cut short.jpg", "gone/noted.jpg",
        "2020/COCO_train2014_000000037932.jpg",
    )  # fmt: skip
    return [["show", "--json", str(PHOTOS / name)] for name in names]


def printed(arguments: list[str]) -> dict[str, Any]:
    """The exit code of a command and its output, JSON lines decoded."""
    from imgret.cli.app import run

    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(arguments)
    out.flush()
    lines = out.buffer.getvalue().decode("utf-8", "surrogateescape").splitlines()  # type: ignore[attr-defined]
    return {"exit": int(code), "lines": [json.loads(x) if x.startswith("{") else x for x in lines]}


def identity_fields(identity: Any) -> list[str]:
    """A model's identity as a list."""
    return [identity.name, identity.revision, identity.settings]
