"""
What the console needs of a process's services.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from infra.conversion_desk import ConversionDesk
from infra.database.engine import Database
from infra.form_links import FormLinks
from infra.settings import Settings


class ConsoleServices(Protocol):
    """The part of `infra.bootstrap.Services` that the pages use."""

    @property
    def settings(self) -> Settings: ...

    @property
    def keys(self) -> Sequence[str]: ...

    @property
    def database(self) -> Database: ...

    @property
    def forms(self) -> FormLinks: ...

    @property
    def desk(self) -> ConversionDesk: ...

    def ask(self, agreement: int, debtor: int) -> str:
        """Have a debtor read again soon; returns the correlation id. Raises NotStored."""
        ...
