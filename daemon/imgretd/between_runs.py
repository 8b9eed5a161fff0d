"""What the describing thread keeps from one run to the next: the decoder processes, and what runs have measured."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from imgret.config import Settings
from imgret.photo import ModelIdentity
from imgret.pipeline.passes import Costs

if TYPE_CHECKING:
    from imgret.decode.pool import DecodePool
    from imgret.pipeline.models import Models

log = logging.getLogger(__name__)


class BetweenRuns:
    """Used only by the describing thread."""

    def __init__(self) -> None:
        self._decoder: DecodePool | None = None
        self._costs: tuple[dict[str, ModelIdentity], Costs] | None = None  # of these models

    def decoder(self, settings: Settings) -> DecodePool:
        """Return the decoder processes. They are kept as long as the models, because starting them takes time."""
        if self._decoder is None:
            from imgret.decode.pool import decode_pool

            self._decoder = decode_pool(settings)
        return self._decoder

    def close_decoder(self) -> None:
        """End the decoder processes."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            try:
                decoder.close()
            except Exception as error:  # for example its processes were killed; nothing is left to release
                log.error("The decoders could not be closed", exc_info=error)

    def costs(self, models: Models, settings: Settings) -> Costs:
        """Return the costs that runs with the same models have measured."""
        from imgret.decode.pool import default_workers

        identities = models.identities()
        known = self._costs
        if known is None or any(identities.get(stage, each) != each for stage, each in known[0].items()):
            known = {}, Costs(default_workers(settings.decode_workers), 1 + len(models.peers))
        self._costs = {**known[0], **identities}, known[1]
        return known[1]
