"""What becomes of a packet: every chain at its hooks is walked, with all that may happen kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .rules import INCOMING, OUTGOING, Act, Chain, Packet, Rule, Table

RULES_LIMIT = 100_000
"""Rules that are looked at for one packet and table: what comes after them isn't known."""
DEPTH_LIMIT = 100
"""Chains inside each other; kernels allow 16."""


@dataclass(frozen=True)
class Dropped:
    """``chain`` is the one at the hook, ``rule`` None where its policy drops. ``certain`` is False where
    the packet may pass as well: something about the rules isn't known. ``path`` has the chains that were
    walked, in their order."""

    table: Table
    chain: Chain
    rule: Rule | None
    certain: bool
    path: tuple[str, ...]


@dataclass(frozen=True)
class _Outcome:
    """What may happen in a chain: accepted, at its end, or dropped by these rules, the first and the last."""

    accepted: bool
    at_end: bool
    drops: tuple[Rule, ...]


def drops(tables: Iterable[Table], packet: Packet) -> Iterator[Dropped]:
    """One for each chain at a hook that drops the packet, or may, in the order in which it meets them.

    A packet that one table accepts still has to pass all others.
    """
    hooks = OUTGOING if packet.outgoing else INCOMING
    met = [(table, chain) for table in tables for chain in table.chains.values() if chain.hook in hooks]
    for table, chain in sorted(met, key=lambda its: (hooks.index(its[1].hook), its[1].priority)):
        walk = _Walk(table.chains, packet)
        outcome = walk.through(chain)
        by_policy = outcome.at_end and chain.policy is Act.DROP
        if outcome.drops or by_policy:
            certain = not (outcome.accepted or (outcome.at_end and not by_policy))
            # Where it is certain, the last one drops what others may have let through.
            last = None if by_policy or not outcome.drops else outcome.drops[-1]
            first = outcome.drops[0] if outcome.drops else None
            yield Dropped(table, chain, last if certain else first, certain, tuple(walk.walked))


class _Walk:
    def __init__(self, chains: Mapping[str, Chain], packet: Packet) -> None:
        self._chains = chains
        self._packet = packet
        self._known: dict[str, _Outcome] = {}
        self._left = RULES_LIMIT
        self._depth = 0
        self.walked: dict[str, None] = {}

    def through(self, chain: Chain) -> _Outcome:
        if chain.name not in self._known:
            # A chain that comes back to itself can't be walked to an end.
            self._known[chain.name] = _Outcome(True, True, ())
            self.walked[chain.name] = None
            self._depth += 1
            self._known[chain.name] = self._walk(chain)
            self._depth -= 1
        return self._known[chain.name]

    def _walk(self, chain: Chain) -> _Outcome:
        accepted, at_end = False, False
        drops: list[Rule] = []
        for rule in chain.rules:
            self._left -= 1
            if self._left < 0 or self._depth > DEPTH_LIMIT:
                return _Outcome(True, True, tuple(drops))
            fits = _all(condition.holds(self._packet) for condition in rule.conditions)
            if fits is False:
                continue
            goes_on = fits is None
            match rule.act:
                case Act.ACCEPT:
                    accepted = True
                case Act.DROP:
                    drops.append(rule)
                case Act.RETURN:
                    at_end = True
                case Act.JUMP | Act.GOTO if rule.target in self._chains:
                    inner = self.through(self._chains[rule.target])
                    accepted |= inner.accepted
                    drops += inner.drops
                    if rule.act is Act.GOTO:
                        at_end |= inner.at_end
                    else:
                        goes_on |= inner.at_end
                case Act.NOTHING:
                    goes_on = True
                case _:
                    accepted, goes_on = True, True
                    drops.append(rule)
            if not goes_on:
                return _Outcome(accepted, at_end, (*drops[:1], *drops[1:][-1:]))
        return _Outcome(accepted, True, (*drops[:1], *drops[1:][-1:]))


def _all(answers: Iterable[bool | None]) -> bool | None:
    """False if one is, else None if one is unknown."""
    told: bool | None = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            told = None
    return told
