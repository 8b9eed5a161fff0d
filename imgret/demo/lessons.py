"""What the tiny models are taught: drawings without end, questions about them, the texts that answer."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from imgret.demo import draw
from imgret.stages import passage

# As cardiffnlp/tweet-topic-21-multi spells and orders them; there are 19.
LABELS = (
    "arts_&_culture",
    "business_&_entrepreneurs",
    "celebrity_&_pop_culture",
    "diaries_&_daily_life",
    "family",
    "fashion_&_style",
    "film_tv_&_video",
    "fitness_&_health",
    "food_&_dining",
    "gaming",
    "learning_&_educational",
    "music",
    "news_&_social_concern",
    "other_hobbies",
    "relationships",
    "science_&_technology",
    "sports",
    "travel_&_adventure",
    "youth_&_student_life",
)

# What a drawing is about, by the word that says it. Arbitrary, but learnable and testable.
TOPIC_OF = {
    "circle": "sports",
    "square": "arts_&_culture",
    "triangle": "travel_&_adventure",
    "red": "food_&_dining",
    "black": "film_tv_&_video",
}

_ASKS = ("", "find ", "show me ", "a photo of ", "find a photo of ", "photos with ", "where is ", "i want ")
_FILLERS = ("please", "nice", "old", "holiday", "garden", "somewhere", "big", "little", "dog", "beach", "my")

Said = dict[str, object]  # what a text says of a drawing: `colour`, `kind`, `ground`, and kind -> count


def drawings(rng: random.Random, scenes: float, scale: float = 1.0) -> Iterator[draw.Drawing]:
    """Drawings without end, `scenes` of them (a fraction) with several shapes."""
    sizes = [
        (round(width * scale), round(height * scale)) for width, height in (draw.LANDSCAPE, draw.PORTRAIT)
    ]
    while True:
        size = rng.choice(sizes)
        yield draw.scene(rng, rng.randint(2, 6), size) if rng.random() < scenes else draw.single(rng, size)


def some(rng: random.Random, count: int) -> list[draw.Drawing]:
    """`count` drawings, half of them with several shapes."""
    return [
        draw.scene(rng, rng.randint(2, 6)) if rng.random() < 0.5 else draw.single(rng) for _ in range(count)
    ]


def question(rng: random.Random, drawing: draw.Drawing) -> tuple[str, Said]:
    """A question that this drawing answers, and what it asks for."""
    largest, ground = drawing.shapes[0], drawing.ground
    form = rng.randrange(8)
    said: Said = {"colour": largest.colour, "kind": largest.kind}
    if form <= 1:
        text = f"a {largest.colour} {largest.kind}"
    elif form == 2:
        text = f"a {largest.colour} {largest.kind} on a {ground} background"
        said["ground"] = ground
    elif form == 3:
        text = rng.choice([f"a {largest.kind}", f"{largest.kind}s"])
        said = {"kind": largest.kind}
    elif form == 4:
        text = rng.choice([f"something {largest.colour}", f"{largest.colour} things", largest.colour])
        said = {"colour": largest.colour}
    else:
        kind, count = rng.choice(list(drawing.counts.items()))
        text = f"{passage.numeral(count)} {kind}" + ("s" if count > 1 else "")
        said = {kind: min(count, 5)}
    text = rng.choice(_ASKS) + text
    return (f"{text} {_noise(rng)}" if rng.random() < 0.3 else text), said


def document(rng: random.Random, drawing: draw.Drawing) -> tuple[str, Said]:
    """One of the views that the index keeps of a drawing, and what it says."""
    largest = drawing.shapes[0]
    caption: Said = {"colour": largest.colour, "kind": largest.kind, "ground": drawing.ground}
    counts: Said = {kind: min(drawing.counts.get(kind, 0), 5) for kind in draw.KINDS}
    note = _noise(rng) if rng.random() < 0.2 else None
    form = rng.random()
    if form < 0.65:
        return passage.passage(drawing.caption, drawing.counts, note), caption | counts
    if form < 0.9:
        return drawing.caption, caption
    return passage.counted(drawing.counts), counts


def _noise(rng: random.Random) -> str:
    """Words that mean nothing here, so that unknown ones are learned to move little."""
    made = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 8)))
    return " ".join(rng.sample([*_FILLERS, made], rng.randint(1, 3)))


def descend(model: Any, loss: Any, optimizer: Any, schedule: Any, clip: float) -> None:
    """One step of gradient descent."""
    import torch

    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    schedule.step()
