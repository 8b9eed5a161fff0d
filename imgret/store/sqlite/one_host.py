"""A library in a file is described by one host: there are no others to list."""

from __future__ import annotations

from imgret.store.records import Host


class OneHost:
    """Implements `imgret.store.interface.work_queue.Workers`."""

    def report(self, state: str, devices: str, rate: float) -> None:
        """Nothing: no other host could read it."""

    def all(self) -> list[Host]:
        return []

    def stages_elsewhere(self) -> set[str]:
        return set()
