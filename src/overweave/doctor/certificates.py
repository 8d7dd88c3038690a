"""The certificates of the store's agents and of engines: do they end soon?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from overweave.certificates import RENEW_DAYS, Issuer
from overweave.facts.live import Live
from overweave.model import Fleet
from overweave.preflight.finding import Finding, error, warning

from .fault import Fault
from .places import Places

AUTHORITY_DAYS = 365
MATTERS = "when it has ended, agents and engines that start do not reach the store any more"


def ending(fleet: Fleet, live: Live, places: Places) -> list[Fault]:
    """An error of each certificate that has ended or can't be read, a warning of each that ends soon."""
    issuer = live.fleet.issuer
    return [Fault(found) for found in _wrong(issuer)] if issuer else []


def _wrong(issuer: Issuer) -> Iterator[Finding]:
    for host, its in issuer.files.items():
        fix = "`fab deploy-overlay` gives it a new one"
        if its.expires is None:
            seen = "the file with its certificate for the store holds none that works"
            yield error("store.certificates", seen, matters=MATTERS, fix=fix, host=host)
        elif its.expires <= issuer.told:
            seen = f"its certificate for the store ended on {_day(its.expires)}"
            yield error("store.certificates", seen, matters=MATTERS, fix=fix, host=host)
        elif its.expires <= issuer.told + timedelta(days=RENEW_DAYS):
            seen = f"its certificate for the store ends on {_day(its.expires)}"
            yield warning("store.certificates", seen, matters=MATTERS, fix=fix, host=host)
    ends = issuer.authority.certificate.not_valid_after_utc
    if ends <= issuer.told + timedelta(days=AUTHORITY_DAYS):
        yield warning(
            "store.authority",
            f"the authority that makes the store's certificates ends on {_day(ends)}",
            matters="no certificate that it makes lasts longer",
            fix="`fab rotate-certificates` makes a new one",
        )


def _day(time: datetime) -> str:
    return f"{time:%Y-%m-%d}"
