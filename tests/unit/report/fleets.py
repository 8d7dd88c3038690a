"""Proofs of fleets that nobody has: as values, for tests of reports and for the picture in docs/."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from overweave.prove.matrix import (
    CHECKS,
    HEAVY,
    UNDERLAY,
    Cause,
    Evidence,
    Isolation,
    Matrix,
    Pair,
    Verdict,
    neighbours,
)

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


def names(count):
    return tuple(f"host{number}" for number in range(1, count + 1))


def address(host):
    return f"10.96.0.{10 + int(host[4:])}"


def pair(source, target, trip=0.3, *, loss=0.0, red=(), under_red=(), wanted=CHECKS):
    """``trip`` in milliseconds. What is red says so in the words of a real one."""
    overlay = {
        "dns": Verdict(True, f"10.211.0.{target[4:]}"),
        "icmp": Verdict(True, f"{trip} ms", trip, loss),
        "udp": Verdict(True, "1 of 1 arrived"),
        "connect": Verdict(True, f"{trip} ms", trip),
        "tcp": Verdict(True, "1048576 bytes there and back"),
        "mtu": Verdict(True, "1450"),
        "vxlan": Verdict(True, f"VNI 256 to {address(target)}"),
    }
    seen = {"icmp": "no reply to 3 pings", "tcp": "1048576 bytes did not come back"}
    seen |= {"mtu": "no reply to a packet of 1450 bytes", "udp": "0 of 1 arrived", "connect": "no answer"}
    overlay |= {check: Verdict(False, seen.get(check, "no answer")) for check in red}
    under = {check: Verdict(True, "arrived") for check in UNDERLAY}
    under["icmp"] = Verdict(True, f"{trip / 2:.3g} ms", trip / 2, 0.0)
    under |= {check: Verdict(False, "0 of 3 arrived") for check in under_red}
    overlay = {check: overlay[check] for check in CHECKS if check in wanted}
    return Pair(source, target, overlay, under, wanted)


def fleet(count, change=None, **more):
    """A green fleet. ``change`` may give other words to `pair` for a source and a target."""
    hosts = names(count)
    dice = random.Random(count)
    pairs, left_out = [], dict.fromkeys(HEAVY, 0)
    for source in hosts:
        near = neighbours(hosts, source)
        for target in hosts:
            if source == target:
                continue
            trip = round(0.2 + 0.25 * dice.random() ** 2, 3)
            wanted = CHECKS if target in near else tuple(c for c in CHECKS if c not in HEAVY)
            for check in set(CHECKS) - set(wanted):
                left_out[check] += 1
            words = {"trip": trip, "wanted": wanted} | ((change and change(source, target)) or {})
            pairs.append(pair(source, target, **words))
    evidence = {host: Evidence(256, address(host), 1200 + n, 1190 + n) for n, host in enumerate(hosts)}
    made = Matrix(
        "overweave",
        hosts,
        tuple(pairs),
        evidence,
        seconds=round(0.5 + count * 0.1, 1),
        left_out={check: number for check, number in left_out.items() if number},
    )
    return replace(made, **more)


def without_perl():
    """Three hosts, one of them without Perl."""
    wanted = ("dns", "icmp", "tcp", "mtu", "vxlan")
    made = fleet(3, lambda a, b: {"wanted": wanted}, without_perl=("host2",), left_out={})
    return replace(made, pairs=tuple(replace(pair, underlay={}) for pair in made.pairs))


VXLAN = ("icmp", "udp", "connect", "tcp", "mtu")


@cache
def two_faults(count=25):
    """VXLAN of host7 is swallowed on its way in and out; between host14 and host19 only small packets pass,
    and only on the overlay; what host3 sends to host22 is slow."""

    def change(source, target):
        if "host7" in (source, target):
            return {"red": VXLAN, "under_red": ("udp-4789",)}
        if {source, target} == {"host14", "host19"}:
            return {"red": ("tcp", "mtu")}
        if (source, target) == ("host3", "host22"):
            return {"trip": 41.0, "loss": 0.12}
        return None

    hosts = names(count)
    dead = tuple(p for h in hosts if h != "host7" for p in (("host7", h), (h, "host7")))
    causes = (
        Cause(
            "vxlan-blocked",
            "host7",
            "no VXLAN frame gets in or out, and all else does",
            "open UDP 4789 on host7, both ways: `nft insert rule inet site input udp dport 4789 accept`",
            ("moby#29979", "moby#33416"),
            dead,
        ),
        Cause(
            "mtu",
            "host14 <-> host19",
            "small packets pass, full-size ones don't",
            "set `network: mtu:` to the smallest on the path and deploy with --replace-network",
            ("moby#24906",),
            (("host14", "host19"), ("host19", "host14")),
        ),
    )
    isolation = tuple(Isolation(host, "a container of the network other", "") for host in hosts[:2])
    return fleet(
        count, change, causes=causes, isolation=isolation, between="probe containers that end with the proof"
    )


HOSTILE = [
    "</script><script>document.title='broken'</script>",
    "<img src=x onerror=\"document.title='broken'\">",
    '"><svg/onload=document.title="broken">',
    "]]>&lt;&amp;<!--",
    "\x1b[31mred\x00\x08\x7f",
    "\u202eesrever\u2066 \ufffe half \udcff\ud800",
    'back\\slash "quote" \n# TYPE x counter\nx 1',
    "{{ 7 * 7 }}{% raw %}",
    "",
    "x" * 3000,
]


def hostile(word):
    """Every word of a proof that comes from somewhere else is this one."""
    bad = {check: Verdict(False, word) for check in CHECKS}
    one = Pair(word, "b", bad, {check: Verdict(False, word) for check in UNDERLAY})
    back = Pair("b", word, {check: Verdict(True, word, 0.3, 0.5) for check in CHECKS})
    cause = Cause(word, word, word, word, (word,), ((word, "b"), (word, word)))
    evidence = {word: Evidence(256, word, 1, 1)}
    return Matrix(
        word,
        (word, "b"),
        (one, back),
        evidence,
        1.0,
        (cause,),
        between=word,
        left_out={word: 3},
        isolation=(Isolation(word, word, word),),
        without_perl=(word,),
    )
