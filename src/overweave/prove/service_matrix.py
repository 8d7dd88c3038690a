"""What a proof of services shows: from every host, every way to reach a replica on every host. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .matrix import Verdict

ROBIN, VIRTUAL, HOST_PORT, MESH_PORT = "round robin", "virtual address", "host port", "mesh port"
KINDS = (ROBIN, VIRTUAL, HOST_PORT, MESH_PORT)
"""The ways: a name with the address of each replica (``--endpoint-mode dnsrr``); a name with one address that
the kernel spreads over all (``vip``); a port of each host with a replica (``mode=host``); a port of all
hosts, which the routing mesh leads to any replica (``mode=ingress``)."""
NEEDS_IPVS = (VIRTUAL, MESH_PORT)
"""What the kernel's IPVS spreads."""

UNKNOWN = "the name is not known"


@dataclass(frozen=True)
class ServiceProof:
    """``checks``: the verdict of each way, from each host. ``without_ipvs``: hosts whose kernel has none."""

    network: str
    hosts: tuple[str, ...]
    checks: Mapping[str, Mapping[str, Verdict]]
    without_ipvs: tuple[str, ...] = field(default=())
    seconds: float = 0.0

    @property
    def red(self) -> tuple[tuple[str, str], ...]:
        """Host and way of each that was not seen to work."""
        return tuple((host, kind) for host in self.hosts for kind in KINDS if not self.ok(host, kind))

    @property
    def green(self) -> bool:
        return not self.red

    def ok(self, host: str, kind: str) -> bool:
        verdict = self.checks.get(host, {}).get(kind)
        return verdict is not None and verdict.ok

    @property
    def causes(self) -> tuple[str, ...]:
        """Why, as far as it is known, and what to do."""
        if not self.red:
            return ()
        found = []
        if self.without_ipvs and any(kind in NEEDS_IPVS for _, kind in self.red):
            found.append(
                f"the kernel of {', '.join(self.without_ipvs)} has no IPVS, which virtual addresses and the "
                "routing mesh are made of: `modprobe ip_vs`, or a kernel that has it; --endpoint-mode dnsrr "
                "and --publish mode=host go without"
            )
        if any(kind not in NEEDS_IPVS for _, kind in self.red) or not found:
            found.append(
                "`fab validate-overlay` proves the network under it; `fab preflight` names the rule that "
                "drops a port"
            )
        return tuple(found)


def of_robin(answers: Mapping[str, tuple[str, ...]], nodes: Mapping[str, str]) -> Verdict:
    """What a name with an address for each replica gave: ``answers`` by address; ``nodes``: hosts by the
    answer of the replica there."""
    if not answers:
        return Verdict(False, UNKNOWN)
    silent = sorted(set(nodes.values()) - {host for _, host in _heard(answers, nodes)})
    if silent:
        return Verdict(False, f"no answer from the replica on {', '.join(silent)}")
    return Verdict(True, f"{len(nodes)} replicas answer")


def of_virtual(answers: Mapping[str, tuple[str, ...]], nodes: Mapping[str, str], *, least: int) -> Verdict:
    """The same of a name whose one address stands for all replicas, ``least`` of which must have answered."""
    if not answers:
        return Verdict(False, UNKNOWN)
    if len(answers) > 1:
        return Verdict(False, f"{len(answers)} addresses, where one is to be: {', '.join(sorted(answers))}")
    (address,) = answers
    heard = {host for _, host in _heard(answers, nodes)}
    if not heard:
        return Verdict(False, f"no answer at {address}")
    if len(heard) < least:
        return Verdict(False, f"only the replica on {', '.join(sorted(heard))} answers at {address}")
    return Verdict(True, f"{len(heard)} replicas answer at {address}")


def _heard(answers: Mapping[str, tuple[str, ...]], nodes: Mapping[str, str]) -> set[tuple[str, str]]:
    return {(address, nodes[w]) for address, words in answers.items() for w in words if w in nodes}


def of_ports(heard: Mapping[str, str], nodes: Mapping[str, str], *, own: bool) -> Verdict:
    """What the published port of each host gave: ``heard`` by the host that was asked, "" for nothing;
    ``nodes`` as `of_names` has it. ``own``: the replica of that host has to answer, else any."""
    silent = sorted(host for host, word in heard.items() if not word)
    if silent:
        return Verdict(False, f"no answer at {', '.join(silent)}")
    astray = sorted(h for h, word in heard.items() if (nodes.get(word) != h if own else word not in nodes))
    if astray:
        return Verdict(False, f"another answer than a replica's at {', '.join(astray)}")
    return Verdict(True, f"{len(heard)} hosts answer")
