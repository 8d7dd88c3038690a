"""Runs a proof: probes up, checks, probes away, whatever happens in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Any

from overweave.command import change_script
from overweave.fleet import Cancel, each
from overweave.model import PROBE_LABEL, container_name
from overweave.ports import Clock, Progress, Writer

from .checks import AROUND, CLIENT, SERVER, HostReport, client_arguments, parse
from .diagnose import causes
from .matrix import Evidence, Matrix, Pair, Verdict


@dataclass(frozen=True)
class Probe:
    """A running probe container: its name in DNS, and its address on the network."""

    name: str
    address: str


def spec(image: str, network: str, run: str) -> dict[str, Any]:
    """The body of ``POST /containers/create``. The probe removes itself when it ends."""
    return {
        "Image": image,
        "Entrypoint": ["sh", "-c"],
        "Cmd": [SERVER],
        "Labels": {PROBE_LABEL: run},
        "HostConfig": {"NetworkMode": network, "AutoRemove": True, "CapAdd": ["NET_RAW"]},
        "NetworkingConfig": {"EndpointsConfig": {network: {}}},
    }


def prove(
    writers: Mapping[str, Writer],
    *,
    network: str,
    image: str,
    mtu: int,
    vteps: Mapping[str, str],
    clock: Clock,
    cancel: Cancel,
    progress: Progress,
) -> Matrix:
    """Prove a network that exists between all hosts that have it.

    ``mtu`` is the containers', in bytes; ``vteps`` the hosts' advertise addresses. Red pairs are no error:
    they are in the matrix. Raises where a probe can't be started; probes are removed in every case.
    """
    started = clock.monotonic()
    # Unique per run: an endpoint of a failed start would keep the name in the store (engine-facts).
    run = token_hex(4)
    try:
        progress("", f"proof: a probe container on each of {len(writers)} hosts")
        probes = each(writers, lambda name: _start(writers[name], image, network, run), cancel=cancel).all()
        progress("", f"proof: {len(writers) * (len(writers) - 1)} directed pairs")
        network_id = _network_id(next(iter(writers.values())), network)
        reports = each(
            writers, lambda name: _check(writers[name], probes, network_id, mtu), cancel=cancel
        ).all()
    finally:
        _remove_all(writers, network, run, cancel)
    matrix = _matrix(network, probes, reports, vteps)
    return replace(matrix, seconds=clock.monotonic() - started, causes=causes(matrix, vteps))


def _name(host: str, run: str) -> str:
    return container_name(f"overweave-probe-{run}", host)


def _start(writer: Writer, image: str, network: str, run: str) -> Probe:
    name = _name(writer.host.name, run)
    engine = writer.engine
    engine.create_container(name, spec(image, network, run))
    engine.start_container(name)
    endpoint = engine.container(name)["NetworkSettings"]["Networks"][network]
    return Probe(name, endpoint["IPAddress"])


def _network_id(writer: Writer, network: str) -> str:
    return str(writer.engine.network(network)["Id"])


def _check(writer: Writer, probes: Mapping[str, Probe], network_id: str, mtu: int) -> HostReport:
    own = writer.host.name
    names = list(probes)
    # Each host begins with the one after it, so that they don't all load the first one at once.
    at = names.index(own)
    peers = [probes[name] for name in names[at + 1 :] + names[:at]]
    mark = token_hex(16)
    arguments = client_arguments(mtu, [(peer.name, peer.address) for peer in peers])
    result = writer.do(change_script(AROUND, network_id[:10], probes[own].name, mark, CLIENT, *arguments))
    return parse(result.stdout, mark)


def _remove_all(writers: Mapping[str, Writer], network: str, run: str, cancel: Cancel) -> None:
    """Also after Ctrl-C: the run's cancellation is lifted for as long as this takes."""

    def remove(name: str) -> None:
        writers[name].engine.end_container(_name(name, run))

    with cancel.lifted():
        # A host that can't be reached is left to the next run, which removes probes by their label.
        each(writers, remove, cancel=cancel)


def _matrix(
    network: str, probes: Mapping[str, Probe], reports: Mapping[str, HostReport], vteps: Mapping[str, str]
) -> Matrix:
    pairs = []
    for source, report in reports.items():
        for target, probe in probes.items():
            if source == target:
                continue
            row = report.vteps.get(probe.address, "")
            moved = report.sent > 0
            vxlan = Verdict(
                row == vteps[target] and moved,
                f"VNI {report.vni} to {row}" if row else f"no forwarding row for {probe.address}",
            )
            checks = {**report.verdicts.get(probe.name, {}), "vxlan": vxlan}
            pairs.append(Pair(source, target, checks, wanted=("dns", "icmp", "tcp", "mtu", "vxlan")))
    evidence = {
        name: Evidence(report.vni, vteps[name], report.sent, report.received)
        for name, report in reports.items()
    }
    return Matrix(network, tuple(probes), tuple(pairs), evidence)
