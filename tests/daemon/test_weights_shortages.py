"""A shortage of memory or file descriptors while models are loaded is not reported as damaged weights."""

import builtins
import errno

import pytest

from imgret.config import parse, places
from imgret.limits import Shortage
from imgret.pipeline.loading import load_models
from testbed.home import WORDLLAMA


def test_a_shortage_is_no_fault_of_the_weights(monkeypatch):
    from imgret.models import wordllama

    def load(*_):
        raise MemoryError

    monkeypatch.setattr(wordllama, "WordLlamaEmbedder", load)
    with pytest.raises(Shortage, match="not enough memory"):
        load_models(parse(WORDLLAMA), places(), {"embed"})


def test_a_file_that_cannot_be_opened_for_want_of_descriptors_is_no_fault_of_the_weights(monkeypatch):
    def no_descriptor(*_arguments, **_options):
        raise OSError(errno.EMFILE, "Too many open files")

    settings = parse(WORDLLAMA)
    identity = load_models(settings, places(), {"embed"})["embed"].identity
    monkeypatch.setattr(builtins, "open", no_descriptor)
    with pytest.raises(Shortage, match="too many files"):
        load_models(settings, places(), {"embed"})
    monkeypatch.undo()
    assert identity
