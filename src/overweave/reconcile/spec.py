"""A wanted network as its engine is told of it, and how one that is there differs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from overweave.facts.engine import NetworkFact
from overweave.facts.fleet import FleetFacts
from overweave.model import ENCRYPTED, MTU_OPTION, VNIS_OPTION, Fleet
from overweave.overlay import overlay_options
from overweave.wanted import DEFAULT_MODES, LABEL, ON_PARENT, Subnet, WantedNetwork

ENGINES_OWN = frozenset(
    {
        VNIS_OPTION,
        "com.docker.network.enable_ipv4",
        "com.docker.network.enable_ipv6",
    }
)
"""Options that engines add by themselves."""
DEFAULTS = {MTU_OPTION: "1500"} | {f"{driver}_mode": mode for driver, mode in DEFAULT_MODES.items()}
"""What an option is where it is not given."""
NAMES = {MTU_OPTION: "MTU", ENCRYPTED: "encrypted", "parent": "parent"}
"""Options that have a name of their own in the inventory."""
OWN_NAME = "shim"
"""What the address of the host itself is called among those that its engine gives nobody."""


@dataclass(frozen=True)
class Difference:
    """An attribute of a network, what it is, and what it is to be."""

    attribute: str
    is_: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.attribute} {self.is_}, wanted {self.wanted}"


def scope_of(network: WantedNetwork, fleet: Fleet) -> str:
    if not network.everywhere:
        return "local"
    return "swarm" if fleet.in_swarm else "global"


def body(network: WantedNetwork, host: str, fleet: Fleet, facts: FleetFacts) -> dict[str, Any]:
    """That of ``POST /networks/create`` on a host."""
    made: dict[str, Any] = {
        "Name": network.name,
        "Driver": network.driver,
        "CheckDuplicate": True,
        "Internal": network.internal,
        "IPAM": {"Driver": "default", "Config": [_config(its, host) for its in network.subnets]},
        "Options": _options(network, host, fleet, facts),
        "Labels": {**network.labels, LABEL: network.name},
    }
    # A cluster store's engine takes it for a swarm's, and refuses it; containers join its overlays anyway.
    return made | {"Attachable": network.attachable} if network.everywhere and fleet.in_swarm else made


def _config(its: Subnet, host: str) -> dict[str, Any]:
    kept = {name: str(address) for name, address in its.reserved.items()}
    if host in its.shims:
        kept[OWN_NAME] = str(its.shims[host])
    config: dict[str, Any] = {"Subnet": str(its.subnet), "Gateway": str(its.gateway)}
    if its.ranges.get(host, its.subnet) != its.subnet:
        config["IPRange"] = str(its.ranges[host])
    return config | {"AuxiliaryAddresses": kept} if kept else config


def _options(network: WantedNetwork, host: str, fleet: Fleet, facts: FleetFacts) -> dict[str, str]:
    options = dict(network.options)
    if network.everywhere:
        options = overlay_options(fleet, facts, network.mtu, options)
        return options | {ENCRYPTED: ""} if network.encrypted else options
    if network.mtu:
        options[MTU_OPTION] = str(network.mtu)
    if network.driver in ON_PARENT:
        options["parent"] = network.parents[host]
        if network.mode:
            options[f"{network.driver}_mode"] = network.mode
    return options


def differences(
    wanted: Mapping[str, Any], scope: str, there: NetworkFact, *, shim: bool = False
) -> tuple[Difference, ...]:
    """How a network differs from what `body` tells of it; empty where it does not. One of another driver or
    scope differs in that. Without a ``shim`` it does not matter whether an address is kept for one."""
    if (there.driver, there.scope) != (wanted["Driver"], scope):
        return (Difference("driver", f"{there.driver} ({there.scope})", f"{wanted['Driver']} ({scope})"),)
    return tuple(d for d in _compared(wanted, there, shim) if d.is_ != d.wanted)


def _compared(wanted: Mapping[str, Any], there: NetworkFact, shim: bool) -> Iterator[Difference]:
    configs = wanted["IPAM"]["Config"]
    # Without a subnet it has whichever its engine has chosen.
    if configs:
        yield Difference("subnets", _list(there.subnets), _list(c["Subnet"] for c in configs))
    pools = {pool.subnet: pool for pool in there.pools}
    for config in configs:
        subnet = config["Subnet"]
        if (pool := pools.get(subnet)) is None:
            continue
        yield Difference(f"range of {subnet}", pool.range or "all", config.get("IPRange", "all"))
        yield Difference(f"gateway of {subnet}", pool.gateway or "none", config["Gateway"])
        kept = config.get("AuxiliaryAddresses", {})
        nobodys = () if shim else (OWN_NAME,)
        yield Difference(f"reserved of {subnet}", _pairs(pool.reserved, nobodys), _pairs(kept, nobodys))
    yield Difference("internal", _told(there.internal), _told(wanted["Internal"]))
    if "Attachable" in wanted:
        yield Difference("attachable", _told(there.attachable), _told(wanted["Attachable"]))
    options = wanted["Options"]
    for key in sorted((options.keys() | there.options.keys()) - ENGINES_OWN):
        name = NAMES.get(key, f"option {key}")
        if key == ENCRYPTED:
            yield Difference(name, _told(key in there.options), _told(key in options))
        else:
            default = DEFAULTS.get(key, "unset")
            yield Difference(name, there.options.get(key, default), options.get(key, default))
    labels = {key: value for key, value in wanted["Labels"].items() if key != LABEL}
    others = {key: value for key, value in there.labels.items() if key != LABEL}
    for key in sorted(labels.keys() | others.keys()):
        yield Difference(f"label {key}", others.get(key, "unset"), labels.get(key, "unset"))


def _told(its: object) -> str:
    return "yes" if its else "no"


def _list(its: Iterable[str]) -> str:
    return ", ".join(its) or "none"


def _pairs(its: Mapping[str, str], without: Collection[str]) -> str:
    return ", ".join(f"{name} {at}" for name, at in sorted(its.items()) if name not in without) or "none"
