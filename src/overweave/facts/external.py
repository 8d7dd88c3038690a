"""A Consul that somebody else runs, as it looks from one host. Nothing of it is changed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from overweave.errors import ConnectionProblem, StoreError
from overweave.model import Store
from overweave.ports import ClusterStore, Reader

from . import store as store_facts
from .libnetwork import ROOT


@dataclass(frozen=True)
class External:
    """``unreached``: why there is no connection to it; ``leader`` is "" while it has none. ``version`` is ""
    where it tells nobody; ``refuses``: what it said to a question that engines ask, too."""

    unreached: str = ""
    leader: str = ""
    version: str = ""
    refuses: str = ""


def look(reader: Reader, store: ClusterStore, where: Store) -> External:
    """``store`` is asked from the host of ``reader``. Raises nothing but what ends the connection to it."""
    try:
        reader.stream(where.external, where.port).close()
    except ConnectionProblem as e:
        return External(unreached=e.message)
    leader, version = store.leader(), ""
    if not leader:
        return External()
    with contextlib.suppress(StoreError):
        version = store_facts.agent(store).version
    try:
        store.keys(ROOT)
        store.sessions()
    except StoreError as e:
        return External("", leader, version, e.message)
    return External("", leader, version)
