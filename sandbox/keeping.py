"""Keeping the books in a file, so that a demonstration goes on where it was."""

import asyncio
import hashlib
import os
import pickle
from pathlib import Path

from sandbox.world import World

EVERY_S = 2.0

_NOT_BOOKS = ("_delivery", "budget", "clock", "replays")


class Keeping:
    """
    One agreement's books in one file, written whole every two seconds when they changed, and at the end.

    The file is this program's own (pickle): never load one from somebody else.
    """

    def __init__(self, world: World, path: Path) -> None:
        self._world = world
        self._path = path
        self._written = b""

    def load(self) -> bool:
        """Take the books from the file; False when there is none."""
        if not self._path.exists():
            return False
        books = pickle.loads(self._path.read_bytes())  # noqa: S301 - written by ourselves
        vars(self._world.agreements[self._world.default]).update(books)
        return True

    def save(self) -> None:
        """Write the books if they changed; a crash leaves the old file or the new one."""
        agreement = self._world.agreements[self._world.default]
        content = pickle.dumps({name: value for name, value in vars(agreement).items() if name not in _NOT_BOOKS})
        digest = hashlib.sha256(content).digest()
        if digest == self._written:
            return
        unfinished = self._path.with_suffix(".part")
        unfinished.write_bytes(content)
        os.replace(unfinished, self._path)
        self._written = digest

    async def run(self) -> None:
        """Save again and again until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.save()
