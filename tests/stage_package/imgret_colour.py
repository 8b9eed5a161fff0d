"""The mean colour of a picture: a stage of imgret from another package."""

import numpy as np

from imgret.stages import ModelIdentity, Result, Stage, StageModel, StageSettings, Tag, TextColumn

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "white": (1, 1, 1)}
UNIT = {name: np.array(rgb, np.float32) / np.linalg.norm(rgb) for name, rgb in COLOURS.items()}


class ColourSettings(StageSettings, frozen=True):
    clearly: float = 0.9  # the least cosine at which a colour is named


class ColourModel(StageModel):
    dimension = 3

    def __init__(self, identity: ModelIdentity, clearly: float) -> None:
        self.identity, self.clearly = identity, clearly

    def run(self, items):
        return [self._result(item.pixels) for item in items]

    def _result(self, pixels):
        mean = pixels.reshape(-1, 3).mean(axis=0).astype(np.float32) + 1  # black has a direction too
        vector = mean / np.linalg.norm(mean)
        named = [name for name, unit in UNIT.items() if unit @ vector >= self.clearly]
        return Result(tuple(named), {"mean_colour": vector})

    def encode_query(self, texts, results):
        nothing = np.zeros(3, np.float32)
        rows = [sum((UNIT[word] for word in text.split() if word in UNIT), nothing) for text in texts]
        return np.array([row / max(np.linalg.norm(row), 1e-6) for row in rows])


class Colour(Stage):
    name, inputs, tier, version = "colour", ("pixels",), 1, "1"
    noun = "colours"
    settings, ranges = ColourSettings, {"clearly": (0, 1)}
    payload = tuple[str, ...]
    columns = (TextColumn("colour"),)
    kinds, views = ("colour",), ("mean_colour",)

    def load(self, settings, places, device):
        return ColourModel(self.identity(settings, places), settings.clearly)

    def texts(self, payload):
        return {"colour": " ".join(f"mostly {name}" for name in payload)}

    def tags(self, payload):
        return [Tag("colour", name) for name in payload]

    def rows(self, shown):
        return [("colour", ", ".join(shown["colour"]))] if shown["colour"] else []


STAGE = Colour()
