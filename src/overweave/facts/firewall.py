"""The packet filters of a host: the rules of both flavours of iptables, and those of nft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from overweave.command import Result, query_script
from overweave.firewall import iptables, nft
from overweave.firewall.rules import Table, Tool

LIMIT = 1_400_000
"""Bytes of rules that are read of each kind, more are not judged; all that is asked of a host at once has to
fit `adapters.ssh.OUTPUT_LIMIT`."""

# Saving a flavour that isn't in use would load its modules: legacy is asked if it has tables, and nft if
# the host's tools are made for it.
# A flavour without a program of its own is plain iptables, or is not there.
_SAVE = """\
if command -v "$2" >/dev/null; then "$2"
elif iptables -V | grep -q nf_tables; then test "$2" != iptables-nft-save || iptables-save
else test "$2" != iptables-legacy-save || iptables-save
fi | head -c "$1"
"""
_NFT = 'command -v nft >/dev/null || exit 0; nft "$2" list ruleset | head -c "$1"'
QUERIES = (
    query_script("iptables -V"),
    query_script(
        "iptables -V | grep -q nf_tables || test -e /sys/module/nf_tables || exit 0\n" + _SAVE,
        str(LIMIT),
        "iptables-nft-save",
    ),
    query_script(
        "grep -q . /proc/net/ip_tables_names || exit 0\n" + _SAVE, str(LIMIT), "iptables-legacy-save"
    ),
    query_script(_NFT, str(LIMIT), "-j"),
    query_script(_NFT, str(LIMIT), "-a"),
)


@dataclass(frozen=True)
class Firewall:
    """``tool`` is the flavour of the plain command `iptables`, which engines use; None where there is none.

    ``problem`` says why some rules could not be read, "" where all could.
    """

    tool: Tool | None
    tables: tuple[Table, ...]
    problem: str = ""


def parse(results: Sequence[Result]) -> Firewall:
    version, of_nft, of_legacy, as_json, listing = results
    tool = None
    if version.ok:
        tool = Tool.IPTABLES_NFT if "nf_tables" in version.stdout else Tool.IPTABLES_LEGACY
    tables = [
        *iptables.parse(of_nft.stdout, Tool.IPTABLES_NFT),
        *iptables.parse(of_legacy.stdout, Tool.IPTABLES_LEGACY),
    ]
    shown = {("ip", table.name) for table in tables if table.tool is Tool.IPTABLES_NFT}
    problem = ""
    if any(len(result.stdout) >= LIMIT for result in (of_nft, of_legacy, as_json)):
        problem = f"there are more than {LIMIT / 1e6:.1f} MB of rules"
    if "table " in listing.stdout and not as_json.stdout.strip():
        problem = "nft is too old for JSON (before 0.9), or made without it"
    try:
        # nft shows the tables of iptables too, but not what their extensions match.
        natives = nft.parse(as_json.stdout, listing.stdout)
        tables += [table for table in natives if (table.family, table.name) not in shown]
    except nft.Unreadable as e:
        problem = problem or str(e)
    return Firewall(tool, tuple(tables), problem)
