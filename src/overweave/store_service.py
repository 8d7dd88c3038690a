"""The service that runs a host's part of the store, started before its engine and independent of it. Pure."""

from __future__ import annotations

from .facts.store_service import MADE_FROM, StoreService
from .model import spec_digest
from .render import render
from .stores import consul

USUAL = "/usr/bin/consul"


def unit(its: StoreService, config: str) -> tuple[str, str]:
    """The text of its unit on a host with that configuration file, and the digest of what it is made from,
    which changes with anything that it has to be started anew for."""

    def text(digest: str) -> str:
        return render(
            "consul.service.j2",
            made_from=MADE_FROM,
            digest=digest,
            program=its.program or USUAL,
            arguments=consul.arguments(consul.DATA),
            data=consul.DATA.removeprefix("/var/lib/"),
        )

    digest = spec_digest({"unit": text(""), "config": consul.lasting(config)})
    return text(digest), digest
