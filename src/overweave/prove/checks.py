"""What runs inside the probe containers, and the parser of what they say.

One exec a host does all checks against all peers: one exec a pair takes minutes at 25 hosts. The script
uses busybox's applets only, as every busybox image since 1.30 has them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .matrix import Verdict

ECHO_PORT = 7070
PAYLOAD = 1 << 20
"""Bytes that each TCP check sends, and gets back."""
LIFETIME = 600
"""Seconds after which a probe ends by itself, should nobody be left to remove it."""

SERVER = f"""\
nc -ll -p {ECHO_PORT} -e cat &
exec sleep {LIFETIME}
"""

# $1: bytes of the largest packet; then name and address of each peer.
CLIENT = f"""\
mtu=$1; shift
dir=$(mktemp -d) && cd "$dir" && head -c {PAYLOAD} /dev/urandom > sent && sum=$(md5sum < sent) || exit
look() {{
  got=$(nslookup "$1" 2>/dev/null | sed -n '/^Name:/,$s/^Address[^:]*: *\\([0-9.]*\\).*/\\1/p' | head -n 1)
  [ "$got" = "$2" ] && echo "$1 dns ok $got" || echo "$1 dns red ${{got:-no answer}}"
  for try in 1 2 3; do
    rtt=$(ping -c 1 -W 1 "$2" 2>/dev/null | sed -n 's/.*time=\\([0-9.]*\\).*/\\1/p')
    [ "$rtt" ] && break
  done
  [ "$rtt" ] && : > "alive.$1" && echo "$1 icmp ok $rtt ms" || echo "$1 icmp red no reply to 3 pings"
  for try in 1 2; do
    traceroute -n -I -F -m 1 -q 1 -w 1 "$2" "$mtu" 2>/dev/null | grep -q " $2 " && big=ok && break || big=red
  done
  [ $big = ok ] && echo "$1 mtu ok $mtu" || echo "$1 mtu red no reply to a packet of $mtu bytes"
}}
carry() {{
  back=$(timeout "$3" nc -w "$3" "$2" {ECHO_PORT} < sent 2>/dev/null | md5sum)
  [ "$back" = "$sum" ] && echo "$1 tcp ok {PAYLOAD}" || echo "$1 tcp red {PAYLOAD} bytes did not come back"
}}
peers="$*"
while [ $# -gt 1 ]; do look "$1" "$2" & shift 2; done
wait
set -- $peers
while [ $# -gt 1 ]; do
  if [ -e "alive.$1" ]; then carry "$1" "$2" 10; else carry "$1" "$2" 2 & fi
  shift 2
done
wait
rm -rf "$dir"
"""

# On the host: the overlay's namespace before and after, with the checks in between.
# $1: first ten of the network's id, $2: container, $3: mark, $4: script; then its arguments.
AROUND = """\
ns=/var/run/docker/netns/$(ls /var/run/docker/netns | grep -e "-$1\\$" | head -n 1)
container=$2 mark=$3 script=$4
shift 4
look() { nsenter --net="$ns" ip -json -s -d link show type vxlan; echo; echo "$mark"; }
look
docker exec "$container" sh -c "$script" sh "$@"
echo "$mark"
look
nsenter --net="$ns" ip -json neigh show; echo; echo "$mark"
nsenter --net="$ns" bridge -json fdb show
"""


@dataclass(frozen=True)
class HostReport:
    """One host's answers. ``verdicts`` by container name; ``vteps`` by address of a container: where the
    host's overlay sends packets for it."""

    verdicts: dict[str, dict[str, Verdict]]
    vni: int
    sent: int
    received: int
    vteps: dict[str, str]


def parse(text: str, mark: str) -> HostReport:
    """Parse the output of `AROUND`. Parts that are missing leave their check without a verdict."""
    parts = text.split(f"{mark}\n")
    before, answers, after, neighbours, forwarding = (*parts, *[""] * 5)[:5]
    old, new = _vxlan(before), _vxlan(after)
    return HostReport(
        verdicts=parse_verdicts(answers),
        vni=new.get("linkinfo", {}).get("info_data", {}).get("id", 0),
        sent=_packets(new, "tx") - _packets(old, "tx"),
        received=_packets(new, "rx") - _packets(old, "rx"),
        vteps=_vteps(_json(neighbours), _json(forwarding)),
    )


def parse_verdicts(text: str) -> dict[str, dict[str, Verdict]]:
    """Lines ``NAME CHECK ok|red DETAIL``; anything else is noise of the container's tools."""
    found: dict[str, dict[str, Verdict]] = {}
    for line in text.splitlines():
        words = line.split(" ", 3)
        if len(words) == 4 and words[2] in ("ok", "red"):
            name, check, verdict, detail = words
            clean = "".join(c for c in detail if c.isprintable())[:100]
            found.setdefault(name, {})[check] = Verdict(verdict == "ok", clean)
    return found


def _json(text: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(text.strip() or "[]")
    except (ValueError, RecursionError):
        return []
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _vxlan(text: str) -> dict[str, Any]:
    # iproute2 prints an empty object for each link that its filter leaves out.
    return next((link for link in _json(text) if link), {})


def _packets(link: dict[str, Any], direction: str) -> int:
    stats = link.get("stats64") or link.get("stats") or {}
    return int(stats.get(direction, {}).get("packets", 0))


def _vteps(neighbours: Sequence[dict[str, Any]], forwarding: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Join address -> MAC (neighbour rows) with MAC -> VTEP (forwarding rows)."""
    where = {row["mac"]: row["dst"] for row in forwarding if row.get("mac") and row.get("dst")}
    return {
        row["dst"]: where[row["lladdr"]]
        for row in neighbours
        if row.get("dst") and row.get("lladdr") in where
    }
