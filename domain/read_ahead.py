"""
Two waits at the same time: for e-conomic's next page, and for the database that stores the last one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

P = TypeVar("P")


class ReadAhead:
    """
    Reads the next page while this one is stored, at the cost of one page in memory.

    Args:
        pool: one thread; without it everything happens in turn.
    """

    def __init__(self, pool: Executor | None = None) -> None:
        self._pool = pool
        self._key: object = None
        self._page: Future[Any] | None = None

    def take(self, key: object, read: Callable[[], P]) -> P:
        """The page of this key: read already, or now. Raises what `read` raises."""
        page, self._page = self._page, None
        return page.result() if page is not None and self._key == key else read()

    def start(self, key: object, read: Callable[[], object]) -> None:
        """Begin to read the page that will be taken next, if it is taken at all."""
        if self._pool is not None:
            self._key, self._page = key, self._pool.submit(read)
