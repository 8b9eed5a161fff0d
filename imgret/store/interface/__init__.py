"""The interface that every store implements, in groups. `imgret.store.factory.open_store` opens one."""

from imgret.store.interface.store import Changes, FileWatch, Store

__all__ = ["Changes", "FileWatch", "Store"]
