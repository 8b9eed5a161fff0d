"""Memory and time of the first query in the image space, with the text tower alone and with the whole model.

    python -m benchmarks.first_query [--weights FOLDER] [--json]

The model is a SigLIP 2 base with random weights: its architecture, its 256,000 tokens, a tokenizer of its size. Each
way runs in a process of its own: `libraries` only imports torch and transformers, `text tower` is what imgret loads for
a query, `whole model` is what transformers loads by default. Seconds are from the start of the process; memory is
measured after ten queries: private memory, and resident memory with the mapped files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

QUERIES = [f"a red boat on the {place} in the evening" for place in "abcdefghijkl"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.first_query", description=__doc__.splitlines()[0])
    parser.add_argument("--weights", help="keep the checkpoint (1.5 GB) in this folder for the next run")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)  # in a child
    options = parser.parse_args()
    if options.way:
        print(json.dumps(_measure(WAYS[options.way], options.weights)))
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-c",
            "from benchmarks.describe.image_checkpoints import siglip2; import sys; print(siglip2(sys.argv[1], 32))",
        ]
        made = subprocess.run(
            [*command, options.weights or folder], check=True, capture_output=True, text=True
        )
        path = made.stdout.strip()
        _in_child("text tower", path, folder)  # hashes the files, as `imgret index` did before any query
        report = {way: _in_child(way, path, folder) for way in WAYS}
    ours, whole = report["text tower"].pop("vector"), report["whole model"].pop("vector")
    report["libraries"].pop("vector")
    cosine = sum(a * b for a, b in zip(ours, whole, strict=True))
    for way, figures in report.items():
        print(
            f"{way}: first query {figures['first_seconds']:.2f} s ({figures['cpu_seconds']:.2f} s of CPU time),"
            f" further ones {figures['warm_ms']:.0f} ms, {figures['private_mb']:.0f} MB private,"
            f" {figures['resident_mb']:.0f} MB resident",
            file=sys.stderr,
        )
    print(f"cosine between the vectors of both: {cosine:.6f}", file=sys.stderr)
    if options.json:
        print(json.dumps(report))


def _in_child(way: str, path: str, home: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.first_query", "--way", way, "--weights", path]
    found: dict[str, Any] = json.loads(
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": home, "XDG_STATE_HOME": os.path.join(home, "state")},
        ).stdout
    )
    return found


def _measure(load: Callable[[str], Callable[[str], list[float]]], path: str) -> dict[str, Any]:
    embed = load(path)
    vector = embed(QUERIES[0])
    first, cpu = time.time() - _started(), time.process_time()
    began = time.perf_counter()
    for query in QUERIES[1:]:
        embed(query)
    warm = (time.perf_counter() - began) / len(QUERIES[1:]) * 1000
    return {
        "first_seconds": first,
        "cpu_seconds": cpu,
        "warm_ms": warm,
        "private_mb": _memory("RssAnon"),
        "resident_mb": _memory("VmRSS"),
        "vector": vector,
    }


def _libraries(_path: str) -> Callable[[str], list[float]]:
    import torch
    import transformers

    names = (torch.Tensor, transformers.AutoModel, transformers.AutoConfig)
    return lambda _text: [float(len(names))]


def _text_tower(path: str) -> Callable[[str], list[float]]:
    from imgret.config import Settings, places
    from imgret.pipeline.loading import load_model_of
    from imgret.search.query_encoder import QueryEncoder
    from imgret.stages import registry
    from imgret.stages.image import ImageSettings

    private, settings = places(), Settings().with_tables(image=ImageSettings(weights=path))
    stage = registry.own()["image"]
    identity = stage.identity(settings.of("image"), private)
    if identity is None:
        raise SystemExit(f"{path} cannot be used")
    encoder = QueryEncoder(load_model_of(stage, identity, settings, private))
    return lambda text: encoder.vectors([text])[0].tolist()


def _whole_model(path: str) -> Callable[[str], list[float]]:
    import torch
    from transformers import AutoModel, GemmaTokenizer

    model = AutoModel.from_pretrained(path, local_files_only=True).eval()
    tokenizer = GemmaTokenizer.from_pretrained(path, local_files_only=True)

    @torch.inference_mode()
    def embed(text: str) -> list[float]:
        ids = tokenizer(
            [text.lower()], padding="max_length", max_length=64, truncation=True, return_tensors="pt"
        )["input_ids"]
        features = model.get_text_features(input_ids=ids).pooler_output
        return torch.nn.functional.normalize(features, dim=-1)[0].tolist()

    return embed


WAYS = {"libraries": _libraries, "text tower": _text_tower, "whole model": _whole_model}


def _started() -> float:
    """Return when this process was started, in seconds since 1970."""
    with open("/proc/self/stat", encoding="ascii") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/uptime", encoding="ascii") as file:
        up = float(file.read().split()[0])
    return time.time() - (up - ticks / os.sysconf("SC_CLK_TCK"))


def _memory(key: str) -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines[key].split()[0]) / 1024


if __name__ == "__main__":
    main()
