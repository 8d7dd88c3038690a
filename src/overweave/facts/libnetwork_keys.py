"""The keys of an overlay in the cluster store, as engines write them: `libnetwork` reads the same.

Measured on 20.10.5: engines that find these keys go on with the network as if they had never been away, and
need no restart. What they never read again is left empty: ports, which the gateway's endpoint has, and the
name that the container's interface had before it was moved.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from overweave.model import MTU_OPTION, VXLAN_OVERHEAD

from . import address_mask
from .address_mask import WORD, AddressMask, number_of
from .libnetwork import ENDPOINTS, NETWORKS, OVERLAYS, ROOT, SUBNETS
from .remembered import Joined, Segment
from .typed import text

BASE = f"{ROOT}network/v1.0/"
COUNTS = f"{BASE}endpoint_count/"
VNIS = f"{BASE}idm/vxlan-id/"
CONFIG = f"{BASE}ipam/default/config/GlobalDefault/"
SPACE = "GlobalDefault"
FIRST_VNI = 256
VNI_COUNT = (1 << 24) - FIRST_VNI
DEFAULT_MTU = 1500


@dataclass(frozen=True)
class Overlay:
    """An overlay as all hosts together know it. ``options`` are the driver's."""

    id: str
    name: str
    segments: tuple[Segment, ...]
    joined: tuple[Joined, ...]
    options: Mapping[str, str]
    internal: bool
    created: str


def network_key(id_: str) -> str:
    return f"{NETWORKS}{id_}/"


def overlay_key(id_: str) -> str:
    return f"{OVERLAYS}{id_}/"


def count_key(id_: str) -> str:
    return f"{COUNTS}{id_}/"


def endpoint_key(network: str, id_: str) -> str:
    return f"{ENDPOINTS}{network}/{id_}/"


def mask_key(subnet: IPv4Network) -> str:
    return f"{SUBNETS}{subnet}/"


def network(its: Overlay) -> bytes:
    generic: dict[str, Any] = {
        "com.docker.network.enable_ipv6": False,
        "com.docker.network.generic": dict(its.options),
    }
    if its.internal:
        generic["com.docker.network.internal"] = True
    config = [
        {"PreferredPool": str(s.subnet), "SubPool": "", "Gateway": "", "AuxAddresses": None}
        for s in its.segments
    ]
    info = [
        {
            "IPAMData": _json(
                {
                    "AddressSpace": SPACE,
                    "Gateway": f"{s.gateway}/{s.subnet.prefixlen}",
                    "Pool": str(s.subnet),
                }
            ),
            "PoolID": f"{SPACE}/{s.subnet}",
        }
        for s in its.segments
    ]
    return _bytes(
        {
            "addrSpace": SPACE,
            "attachable": False,
            "configFrom": "",
            "configOnly": False,
            **({"created": its.created} if its.created else {}),
            "enableIPv6": False,
            "generic": generic,
            "id": its.id,
            "inDelete": False,
            "ingress": False,
            "internal": its.internal,
            "ipamOptions": None,
            "ipamType": "default",
            "ipamV4Config": _json(config),
            "ipamV4Info": _json(info),
            "labels": None,
            "loadBalancerIP": "",
            "loadBalancerMode": "NAT",
            "name": its.name,
            "networkType": "overlay",
            "persist": True,
            "postIPv6": False,
            "scope": "global",
        }
    )


def overlay(its: Overlay) -> bytes:
    """The driver's own record."""
    return _bytes(
        {
            "mtu": int(its.options.get(MTU_OPTION, 0)),
            "secure": False,
            "subnets": [
                {"SubnetIP": str(s.subnet), "GwIP": f"{s.gateway}/{s.subnet.prefixlen}", "Vni": s.vni}
                for s in its.segments
            ],
        }
    )


def endpoint(its: Joined, subnet: IPv4Network, locator: str) -> bytes:
    """``locator`` is the address that its engine advertises."""
    return _bytes(
        {
            "anonymous": its.anonymous,
            "disableResolution": False,
            "ep_iface": {
                "addr": f"{its.address}/{subnet.prefixlen}",
                "dstPrefix": "eth",
                "mac": its.mac,
                "routes": None,
                "srcName": "",
                "v4PoolID": f"{SPACE}/{subnet}",
                "v6PoolID": "",
            },
            "exposed_ports": [],
            "generic": {
                "com.docker.network.endpoint.exposedports": [],
                "com.docker.network.portmap": [],
            },
            "id": its.endpoint,
            "ingressPorts": None,
            "joinInfo": {"StaticRoutes": None, "disableGatewayService": False},
            "loadBalancer": False,
            "locator": locator,
            "myAliases": list(its.aliases),
            "name": its.container,
            "sandbox": its.sandbox,
            "svcAliases": None,
            "svcID": "",
            "svcName": "",
            "virtualIP": "<nil>",
        }
    )


def count(endpoints: int) -> bytes:
    return _bytes({"Count": endpoints})


def vnis(old: bytes | None, used: Iterable[int]) -> bytes:
    """The VNIs that are given out: ``used`` beside those of ``old``. One that engines don't give out, which
    somebody has chosen, has no place there. Raises `ValueError` where ``old`` is no mask."""
    numbers = [vni - FIRST_VNI for vni in used if 0 <= vni - FIRST_VNI < VNI_COUNT]
    return _with(old, _empty("vxlan-id", VNI_COUNT), numbers)


def mask(old: bytes | None, subnet: IPv4Network, used: Iterable[str]) -> bytes:
    """The addresses of a subnet that are given out. Raises `ValueError` where ``old`` is no mask, and for
    an address that is not of the subnet."""
    size = subnet.num_addresses
    ends = (0, size - 1)
    numbers = [number_of(address, subnet) for address in used]
    return _with(old, _empty(f"{SPACE}/{subnet}", size), [*ends, *numbers])


def pools(old: bytes | None, subnets: Iterable[IPv4Network]) -> bytes:
    """The subnets that networks have. Raises `ValueError` where ``old`` makes no sense."""
    try:
        raw: Any = json.loads(old) if old is not None else {"Scope": "global", "Subnets": {}}
        there: dict[str, Any] = {**(raw["Subnets"] or {})}
    except (LookupError, TypeError, RecursionError) as e:
        raise ValueError(f"it is no list of subnets: {type(e).__name__}") from e
    missing = {f"{SPACE}/{subnet}": subnet for subnet in subnets if f"{SPACE}/{subnet}" not in there}
    if old is not None and not missing:
        return old
    parent = {"AddressSpace": "", "Subnet": "", "ChildSubnet": ""}
    there |= {
        key: {"ParentKey": parent, "Pool": str(subnet), "RefCount": 1} for key, subnet in missing.items()
    }
    return _bytes(raw | {"Subnets": there})


def pools_there(value: bytes) -> set[IPv4Network]:
    """The IPv4 subnets in a value of `CONFIG`. Raises `ValueError` where it makes no sense."""
    try:
        found = [text(its["Pool"]) for its in (json.loads(value)["Subnets"] or {}).values()]
    except (LookupError, TypeError, AttributeError, RecursionError) as e:
        raise ValueError(f"it is no list of subnets: {type(e).__name__}") from e
    return {IPv4Network(pool) for pool in found if ":" not in pool}


def options_of(segments: Iterable[Segment], wanted: Mapping[str, str]) -> dict[str, str]:
    """The options of an overlay whose vxlan devices are known; ``wanted`` are those that somebody knows."""
    options = {key: value for key, value in wanted.items() if key != MTU_OPTION}
    underlay = min((s.mtu for s in segments), default=DEFAULT_MTU - VXLAN_OVERHEAD) + VXLAN_OVERHEAD
    return options | ({MTU_OPTION: str(underlay)} if underlay != DEFAULT_MTU else {})


def _empty(id_: str, bits: int) -> AddressMask:
    return AddressMask(id_, bits, bits, ((0, -(-bits // WORD)),))


def _with(old: bytes | None, empty: AddressMask, numbers: Iterable[int]) -> bytes:
    its = address_mask.parse(old) if old is not None else empty
    new = address_mask.with_taken(its, numbers)
    return old if old is not None and new == its else address_mask.value_of(new)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _bytes(value: object) -> bytes:
    return _json(value).encode()
