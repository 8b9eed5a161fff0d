"""A report as one HTML page that needs nothing else: pictures are inlined, and no script runs. Pure."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from imgret.cli.hit_text import date_text, lines_read
from imgret.terminal.clean import clean
from imgret.terminal.highlight import highlight, query_words

MARK = '<meta name="generator" content="imgret">'  # imgret overwrites its own reports only
# Nothing is loaded and nothing runs, whatever a caption holds.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --text: #1b1b1f; --dim: #66666e; --page: #fafafa; --card: #fff; --line: #dcdce0; --mark: #ffe08a;
  --bar: #4a7dbd; --strong: #1a7f37; --fair: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --text: #e8e8ec; --dim: #a0a0a8; --page: #16161a; --card: #202026; --line: #3a3a42;
  --mark: #6b5200; --bar: #6ea0dd; --strong: #56d364; --fair: #e3b341; } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem; max-width: 90rem; font: 16px/1.45 system-ui, sans-serif; color: var(--text); background: var(--page) }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; text-transform: capitalize } p { margin: .3rem 0 }
.dim { color: var(--dim); font-size: .87rem } .strong { color: var(--strong) } .fair { color: var(--fair) }
.hits { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; margin: 1.2rem 0; padding: 0; list-style: none }
.hits li { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; overflow: hidden }
.hits img, .none { display: block; width: 100%; aspect-ratio: 4 / 3; object-fit: cover; object-position: 50% 25%; background: var(--line) }
.none { display: grid; place-items: center; color: var(--dim) }
.about { padding: .6rem .8rem .8rem; overflow-wrap: anywhere } mark { background: var(--mark); color: inherit }
table { border-collapse: collapse; width: 100%; table-layout: fixed } td { padding: .1rem .6rem .1rem 0; vertical-align: middle } td:first-child { width: min(16rem, 45%); overflow-wrap: anywhere }
td:nth-child(2) { width: 3.5rem; text-align: right; font-variant-numeric: tabular-nums }
.bar { height: .8rem; min-width: 2px; background: var(--bar); border-radius: 2px }
@media print { body { background: none } .hits li { break-inside: avoid } }
"""


def page(
    query: str,
    hits: Sequence[Mapping[str, Any]],
    images: Sequence[bytes | None],
    names: Sequence[bytes],
    date: str,
    stats: Mapping[str, Sequence[tuple[str, int]]],
) -> str:
    """Return the page. `hits` are the JSON of the hits, `images` a JPEG of each (None: no picture), `names` their file names."""
    words = query_words(query)
    cards = [_card(hit, image, name, words) for hit, image, name in zip(hits, images, names, strict=True)]
    count = "1 photo" if len(hits) == 1 else f"{len(hits)} photos"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n{MARK}\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(query)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<header><h1>{_text(query)}</h1><p class="dim">{count}, {_text(date)}</p></header>\n'
        f'<main>\n<ol class="hits">\n{"".join(cards)}</ol>\n{"".join(map(_section, stats, stats.values()))}</main>\n'
        "</body>\n</html>\n"
    )


def _card(hit: Mapping[str, Any], image: bytes | None, name: bytes, words: frozenset[str]) -> str:
    title = hit.get("caption") or hit.get("note") or " ".join(lines_read(hit))
    shown = _text(name)
    shown_image = (
        f'<img alt="{_text(title or name)}" src="data:image/jpeg;base64,{b64encode(image).decode()}">'
        if image
        else '<div class="none">no picture</div>'
    )
    strength = _text(str(hit.get("strength") or ""))
    level = f'<b class="{strength}">{strength}</b> ' if strength else ""
    parts = [f"<p>{level}{shown}</p>"]
    if title:
        parts.append(f"<p>{_marked(str(title), words)}</p>")
    if hit.get("note") and hit["note"] != title:
        parts.append(f"<p>{_marked(str(hit['note']), words)}</p>")
    facts = [", ".join(map(str, hit.get("why") or ())), date_text(hit)]
    parts.append(f'<p class="dim">{_text(" · ".join(filter(None, facts)))}</p>')
    return f'<li>{shown_image}<div class="about">{"".join(parts)}</div></li>\n'


def _section(title: str, rows: Sequence[tuple[str, int]]) -> str:
    if not rows:
        return ""
    most = max(count for _, count in rows)
    lines = "".join(
        f'<tr><td>{_text(label)}</td><td>{count}</td><td><div class="bar" style="width:{100 * count / most:.1f}%">'
        "</div></td></tr>\n"
        for label, count in rows
    )
    return f"<section><h2>{_text(title)}</h2>\n<table>\n{lines}</table></section>\n"


def _marked(text: str, words: frozenset[str]) -> str:
    return "".join(
        f"<mark>{_text(part)}</mark>" if found else _text(part)
        for part, found in highlight(clean(text), words)
    )


def _text(text: str | bytes) -> str:
    return html.escape(clean(text))
