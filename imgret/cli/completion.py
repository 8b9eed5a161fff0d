"""Shell completion of option values (`imgret --install-completion`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

FORMATS = ("JPEG", "PNG", "HEIF", "TIFF", "WEBP", "AVIF", "GIF", "BMP", "JXL", "MPO")


def one_of(*choices: str) -> Callable[[str], list[str]]:
    """Return a completion function: the `choices` that begin with the typed text."""
    return lambda incomplete: _beginning(choices, incomplete)


def stages(incomplete: str) -> list[str]:
    """Complete the name of a stage."""
    from imgret.stages import registry

    return _beginning(registry.installed().names, incomplete)


def has(incomplete: str) -> list[str]:
    """Complete the value of `--has`."""
    from imgret.store.clauses import HAS

    return _beginning(HAS, incomplete)


def _beginning(choices: Iterable[str], incomplete: str) -> list[str]:
    return [choice for choice in choices if choice.startswith(incomplete)]
