"""Who is measured with whom, and when: no host twice at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence

Pair = tuple[str, str]
"""Who sends, and who takes in."""


def rounds(hosts: Sequence[str]) -> list[tuple[Pair, ...]]:
    """Every pair once, in rounds of pairs that have no host in common: the circle method of tournaments.

    The rounds are as few as can be: one less than the hosts, or as many where their number is odd and one
    has to sit out. A host sends about as often as it takes in. The same hosts give the same rounds.
    """
    if len(hosts) < 2:
        return []
    seats: list[str | None] = [*hosts, *([None] if len(hosts) % 2 else [])]
    made = []
    for number in range(len(seats) - 1):
        turned = [seats[0], *seats[1 + number :], *seats[1 : 1 + number]]
        pairs = []
        for at in range(len(turned) // 2):
            one, other = turned[at], turned[-1 - at]
            if one is not None and other is not None:
                # Only the seat that stays meets all others from the same side.
                pairs.append((other, one) if at == 0 and number % 2 else (one, other))
        made.append(tuple(pairs))
    return made


def cut(all_rounds: Sequence[tuple[Pair, ...]], most: int) -> tuple[list[tuple[Pair, ...]], list[Pair]]:
    """The first ``most`` rounds, and the pairs that are left out with the others."""
    kept = list(all_rounds[:most])
    return kept, [pair for one in all_rounds[most:] for pair in one]
