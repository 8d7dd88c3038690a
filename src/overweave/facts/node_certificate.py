"""The certificate by which an engine is a node of its swarm: from when till when it is good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from overweave import certificates
from overweave.command import Result, query_script

LOOK = """\
root=$(sed -n 's/.*"data-root"[^"]*"\\([^"]*\\)".*/\\1/p' /etc/docker/daemon.json 2> /dev/null)
file=${root:-/var/lib/docker}/swarm/certificates/swarm-node.crt
test ! -e "$file" || { date +%s && head -c 65536 "$file"; }
"""
QUERIES = (query_script(LOOK),)
RENEWED = 0.8
"""The part of its life in which a running engine has asked for the next one (swarmkit, ca/renewer.go: at a
random moment between half of it and this)."""


@dataclass(frozen=True)
class NodeCertificate:
    """``now`` is what the host's own clock said, by which its engine judges."""

    begins: datetime
    ends: datetime
    now: datetime

    @property
    def ended(self) -> bool:
        return self.ends <= self.now

    @property
    def late(self) -> bool:
        """Whether its engine should have had the next one by now."""
        return self.now >= self.begins + RENEWED * (self.ends - self.begins)


def parse(results: Sequence[Result]) -> NodeCertificate | None:
    """None where there is none, or none that can be read."""
    now, _, text = results[0].stdout.partition("\n")
    span = certificates.span(text)
    if span is None or not (now.isascii() and now.isdigit() and len(now) < 12):
        return None
    return NodeCertificate(*span, datetime.fromtimestamp(int(now), UTC))
