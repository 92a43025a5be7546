"""
Which records of one file are the same firm: pairs, then clusters that evidence against is allowed to break.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.matching import weights as w
from domain.matching.comparison import Comparison, compare
from domain.matching.index import Candidates
from domain.matching.records import Record

MOST_CROSS_PAIRS = 400
"""Pairs compared before two clusters become one; larger ones are compared by their first twenty members each."""


def clusters(records: Sequence[Record], candidates: Sequence[Candidates]) -> list[list[int]]:
    """
    Put records into clusters; every record is in exactly one, alone if need be.

    The likeliest pairs come first. Two clusters become one only if all their members are on average as likely one firm
    as not, and no two of them contradict: a chain of half-likely neighbours does not pull strangers together.

    Args:
        records: their positions are their ids.
        candidates: for each record, by `look_up` of `all_pairs` in an index of all of them; itself is passed over.
    """
    compared: dict[tuple[int, int], Comparison] = {}

    def comparison(i: int, j: int) -> Comparison:
        pair = (i, j) if i < j else (j, i)
        known = compared.get(pair)
        if known is None:
            known = compared[pair] = compare(records[pair[0]], records[pair[1]], candidates[pair[0]].crowds)
        return known

    pairs = {(min(i, j), max(i, j)) for i, found in enumerate(candidates) for j in found.records if i != j}
    likely = [(score, pair) for pair in pairs if (score := comparison(*pair).score) >= w.CLUSTER]
    home = list(range(len(records)))
    members = {i: [i] for i in home}
    for _, (i, j) in sorted(likely, key=lambda one: (-one[0], one[1])):
        a, b = home[i], home[j]
        if a == b:
            continue
        ours, theirs = (members[a], members[b]) if len(members[a]) >= len(members[b]) else (members[b], members[a])
        if not _may_join([comparison(x, y) for x in _some(ours) for y in _some(theirs)]):
            continue
        del members[home[theirs[0]]]
        for one in theirs:
            home[one] = home[ours[0]]
        ours += theirs
    return [sorted(cluster) for cluster in members.values()]


def _some(members: list[int]) -> list[int]:
    return members[: int(MOST_CROSS_PAIRS**0.5)]


def _may_join(cross: list[Comparison]) -> bool:
    return not any(one.conflict for one in cross) and sum(one.score for one in cross) >= w.CLUSTER * len(cross)
