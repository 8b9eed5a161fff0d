"""Topics of the caption from a RoBERTa classifier; also of the text of a search, for the embedder's instruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imgret.photo import Tag
from imgret.stages import passage
from imgret.stages.interface import Item, Result, Stage, StageModel, StageSettings

if TYPE_CHECKING:
    from imgret.models.model_protocols import TopicClassifier
    from imgret.places import Places


class TopicsSettings(StageSettings, frozen=True):
    """`[topics]`: any multi-label sequence classifier in the layout of the Hugging Face hub."""

    weights: str = "cardiffnlp/tweet-topic-21-multi"
    threshold: float = 0.2  # the least probability of a topic


class TopicsModel(StageModel):
    """Adapts a classifier to the interface of a stage model."""

    def __init__(self, classifier: TopicClassifier) -> None:
        self.classifier = classifier
        self.identity = classifier.identity

    def run(self, items: Sequence[Item]) -> list[Result]:
        """Return the topics of the first caption; none if there is no caption."""
        captions = [passage.first(item.results.get("caption")) for item in items]
        found = iter(self.classifier.topics([caption for caption in captions if caption]))
        return [Result(next(found) if caption else ()) for caption in captions]

    def close(self) -> None:
        """Release the memory."""
        self.classifier.close()


class Topics(Stage):
    """The topics stage. Its payload is the labels as the model spells them."""

    name = "topics"
    inputs = ("caption",)
    tier = 3
    settings = TopicsSettings
    demo = "topics"
    ranges = {"threshold": (0, 1)}
    payload = tuple[str, ...]
    noun = "topics"
    kinds = ("topic",)
    batch = 4.0  # texts need little memory
    turn = 16

    def shape(self, settings: TopicsSettings) -> str:
        """Return the threshold."""
        return f"threshold={settings.threshold:g}"

    def packages(self, settings: TopicsSettings, path: str | None) -> Mapping[str, str]:
        """Return torch and transformers."""
        return dict.fromkeys(("torch", "transformers"), "imgret[topics]")

    def load(self, settings: TopicsSettings, places: Places, device: str) -> TopicsModel:
        """Load the classifier."""
        from imgret.models import torch_device

        path, identity = self.checked(settings, places)
        device = torch_device.ready(places, device)
        from imgret.models.roberta_topics import RobertaTopics

        return TopicsModel(RobertaTopics(path, identity, device, threshold=settings.threshold))

    def tags(self, payload: tuple[str, ...]) -> list[Tag]:
        """Return each label once."""
        return [Tag("topic", label) for label in dict.fromkeys(payload)]

    def json(self, payload: tuple[str, ...] | None) -> dict[str, Any]:
        """Return `topics`: the labels."""
        return {"topics": list(payload or ())}

    def rows(self, shown: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the labels, with spaces instead of underscores."""
        text = ", ".join(topic.replace("_", " ") for topic in shown["topics"])
        return [("topics", text)] if text else []


STAGE = Topics()
