"""Images that a host lacks. Pure."""

from __future__ import annotations

from .facts.engine import Engine
from .facts.host import HostFacts
from .model import Fleet, tagged
from .steps import ProvideImage


def images(fleet: Fleet, its: HostFacts) -> list[ProvideImage]:
    """Of those that it needs; none while its engine is down."""
    if not isinstance(its.engine, Engine) or not its.engine.running:
        return []
    wanted = [fleet.store.image] if its.name in fleet.agents and fleet.store.in_engine else []
    return [
        ProvideImage(its.name, "the host does not have it", image, fleet.images.archives.get(image))
        for image in (*wanted, fleet.images.probe)
        if tagged(image) not in its.engine.images
    ]
