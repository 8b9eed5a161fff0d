"""Run `imgret eval` in tests: the drawn images as a data set, and stand-in captions."""

import json

from typer.testing import CliRunner

from imgret.cli.eval_command import eval_app
from imgret.demo.draw import demo_folder

NUMERALS = {1: "one", 2: "two", 3: "three", 4: "four"}


def query_text(drawing):
    """Return queries that a person might write for a drawing: its caption, and the number of each kind of shape."""
    counts = " , ".join(f"{NUMERALS.get(many, 'many')} {kind}" for kind, many in drawing.counts.items())
    return f"{drawing.caption.removeprefix('a picture of ')} with {counts}"


def evaluate(*arguments):
    """Run the command without catching its errors."""
    result = CliRunner().invoke(eval_app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return result


def rows(result):
    return {(row["recipe"], row["rank"]): row for row in json.loads(result.stdout)["rows"]}


def value(row, measure):
    return row["measures"][measure]["value"]


def laid_out(folder):
    """Write the demo's images to `folder` in the layout of Flickr8k: images, tokens and a split."""
    drawings = demo_folder(str(folder / "Images"))
    tokens = "".join(f"{name}#0\t{query_text(drawing)}\n" for name, drawing in drawings.items())
    (folder / "Flickr8k.token.txt").write_text(tokens)
    (folder / "Flickr_8k.testImages.txt").write_text("".join(f"{name}\n" for name in drawings))
    stand_ins = [{"path": name, "caption": drawing.caption} for name, drawing in drawings.items()]
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stand_ins))
    return folder


def stood_in(drawn, name, *more, images=None):
    """Run an evaluation without weights: with captions from a file and the small offline embedder."""
    return evaluate(
        *("jsonl", name, "--images", images or drawn / "Images", "--recipe", "caption"),
        *("--stand-in-captions", drawn / "captions.jsonl", *more),
    )


def questions(path, rows):
    path.write_text("".join(json.dumps({"path": photo, "queries": texts}) + "\n" for photo, texts in rows))
    return path
