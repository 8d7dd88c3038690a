"""What was on a host before Overweave came, so that it can be left that way again."""

from __future__ import annotations

import json
from dataclasses import dataclass

from overweave.command import Result, query_script

FOLDER = "/var/lib/overweave"
PATH = f"{FOLDER}/before.json"

MOVE = f"{FOLDER}/move.json"
"""There while the host is being moved from a cluster store to a swarm: see `moving`."""

QUERIES = (query_script('test ! -e "$1" || cat "$1"', PATH), query_script('test -e "$1"', MOVE))


@dataclass(frozen=True)
class Before:
    """Names of the networks and tags of the images that were there, whether the folder of docker.service's
    drop-ins was, and whether the engine was in a swarm."""

    networks: frozenset[str]
    images: frozenset[str]
    drop_in_folder: bool
    swarm: bool = False

    def text(self) -> str:
        return json.dumps(
            {
                "networks": sorted(self.networks),
                "images": sorted(self.images),
                "drop_in_folder": self.drop_in_folder,
            }
            | ({"swarm": True} if self.swarm else {})
        )


def parse(result: Result) -> Before | None:
    """None where there is no record, or none that can be read: then nothing is known to be ours."""
    try:
        raw = json.loads(result.stdout)
        networks, images = frozenset(raw["networks"]), frozenset(raw["images"])
        if all(isinstance(name, str) for name in networks | images):
            return Before(networks, images, bool(raw["drop_in_folder"]), raw.get("swarm") is True)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return None
