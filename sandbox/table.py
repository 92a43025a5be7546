"""Records kept by number, and walked in the order of their numbers."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar, overload

from sandbox.filters import EVERYWHERE, Reach


class Numbered(Protocol):
    """Anything that knows its own number."""

    number: int


R = TypeVar("R", bound=Numbered)


class Span(Sequence[R]):
    """Records looked up only when they are reached: a page of 300,000 costs no more than its 1,000."""

    def __init__(self, keys: Sequence[int], records: Mapping[int, R]) -> None:
        self._keys, self._records = keys, records

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[R]:
        return map(self._records.__getitem__, self._keys)

    @overload
    def __getitem__(self, index: int) -> R: ...

    @overload
    def __getitem__(self, index: slice) -> "Span[R]": ...

    def __getitem__(self, index: int | slice) -> "R | Span[R]":
        if isinstance(index, slice):
            return Span(self._keys[index], self._records)
        return self._records[self._keys[index]]


class Table(Generic[R]):
    """A dictionary with its keys sorted beside it."""

    def __init__(self, records: Iterable[R] = ()) -> None:
        self._records = {record.number: record for record in records}
        self.keys = sorted(self._records)

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[R]:
        """In the order of the numbers."""
        return map(self._records.__getitem__, self.keys)

    def __contains__(self, number: int) -> bool:
        return number in self._records

    def get(self, number: int) -> R | None:
        """The record with this number."""
        return self._records.get(number)

    def add(self, record: R) -> None:
        """Put in a record whose number is free."""
        number = record.number
        if not self.keys or number > self.keys[-1]:
            self.keys.append(number)
        else:
            insort(self.keys, number)
        self._records[number] = record

    def add_ascending(self, records: list[R]) -> None:
        """Put in many records, ascending and above every number there."""
        self.keys.extend(record.number for record in records)
        self._records.update((record.number, record) for record in records)

    def remove(self, number: int) -> None:
        """Take out a record."""
        del self._records[number]
        del self.keys[bisect_left(self.keys, number)]

    def last(self) -> int:
        """The highest number in use, 0 when empty."""
        return self.keys[-1] if self.keys else 0

    def free(self, ceiling: int) -> int:
        """The next number the server would assign; those of deleted records come again."""
        if self.last() < ceiling:
            return self.last() + 1
        return next(number for number in range(1, ceiling) if number not in self._records)

    def since(self, number: int) -> Iterator[R]:
        """Records from this number on, in key order."""
        for position in range(bisect_left(self.keys, number), len(self.keys)):
            yield self._records[self.keys[position]]

    def within(self, reach: Reach) -> Span[R]:
        """Records a filter can match, in key order."""
        keys: Sequence[int] = self.keys
        if reach.keys is not None:
            keys = sorted(key for key in reach.keys if key in self._records)
        elif reach is not EVERYWHERE:
            keys = keys[bisect_left(keys, reach.low) : bisect_right(keys, reach.high)]
        return Span(keys, self._records)
