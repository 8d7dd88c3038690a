"""Another image for the store, one server after the other: which may follow which, and the plan. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from overweave.errors import Refused
from overweave.facts.engine import Engine
from overweave.facts.fleet import FleetFacts
from overweave.model import Fleet, tagged
from overweave.overlay import addresses
from overweave.preflight.finding import Finding, error, warning
from overweave.steps import (
    AwaitAgent,
    CheckVersion,
    Plan,
    ProvideImage,
    RemoveImage,
    Stage,
    Step,
    make_plan,
)
from overweave.stores import consul

from .change import FEWEST, FILES, gate, led, marked, of_hosts, topology
from .standing import Standing, counted

MOST = 2
"""Second numbers of a version that may be passed in one upgrade, as Consul's instructions have it."""
OTHER_FIRST = ((1, 21), (2, 0))
"""The only step to another first number that Consul describes: from here on, to there."""
SAID = re.compile(r"Consul v(\S{1,60})")
NUMBERS = re.compile(r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?![\d.])")
Version = tuple[int, int, int]


def said(output: str) -> str:
    """The version in what ``consul version`` prints, "" where there is none."""
    found = SAID.search(output[:4096])
    return found[1] if found and numbers(found[1]) else ""


def numbers(version: str) -> Version | None:
    found = NUMBERS.match(version[:100])
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def of_tag(image: str) -> str:
    """The version that an image's tag tells, "" where it tells none."""
    tag = tagged(image).rpartition(":")[2]
    return tag.removeprefix("v") if numbers(tag) else ""


def forbidden(running: Iterable[str], new: str) -> Refused | None:
    """Why a version may not follow those that run; None where it may."""
    wanted = numbers(new)
    if wanted is None:
        return Refused(
            "the image does not tell which version of Consul it is",
            hint="name an image whose `consul version` does",
        )
    there = {version: its for version in running if (its := numbers(version))}
    for version, its in there.items():
        if wanted < its:
            return Refused(
                f"Consul {new} is older than {version}, which runs",
                hint="an older Consul can't read what a newer one has written: `fab store-restore` puts a "
                "backup of its own time back",
            )
        if far := _far(its, wanted):
            return Refused(
                f"from Consul {version} to {new} is too far for one upgrade",
                hint=f"{far}: see Consul's upgrade instructions, and upgrade again from there",
            )
    return None


def _far(old: Version, new: Version) -> str:
    if old[0] == new[0]:
        return f"the last that may follow is {old[0]}.{old[1] + MOST}" if new[1] - old[1] > MOST else ""
    leaving, arriving = OTHER_FIRST
    if old[:2] >= leaving and old[0] == leaving[0] and new[:2] == arriving:
        return ""
    if old[:2] >= leaving and old[0] == leaving[0]:
        return f"the next first number begins with {arriving[0]}.{arriving[1]}"
    return f"the last that may follow is {old[0]}.{old[1] + MOST}"


def findings(fleet: Fleet, facts: FleetFacts, standing: Standing, image: str) -> list[Finding]:
    """Errors forbid it."""
    if not fleet.store.in_engine:
        return [_of_service()]
    if blocked := [*topology(facts), *led(standing)]:
        return blocked
    unwell = [*_healthy(standing), *_hosts(facts)]
    return unwell or [*_few(standing), *_drift(fleet, facts, standing), *_tag(standing, image)]


def _of_service() -> Finding:
    return error(
        "upgrade.service",
        "the store runs as a service, of the hosts' own program",
        matters="no image is of any use to it",
        fix="`fab store-backup FILE`, `apt-get install --only-upgrade consul` on all hosts, and "
        "`fab deploy-overlay`, which restarts one server after the other",
    )


def plan(fleet: Fleet, facts: FleetFacts, standing: Standing, image: str) -> Plan:
    """Servers first, who leads last, and each has all that the leader has before the next one stops. The
    agents of the other hosts follow together. No engine restarts."""
    old = fleet.store.image
    servers = [server.host for server in standing.servers]
    fleet = marked(replace(fleet, store=replace(fleet.store, image=image)), servers)
    advertise, _ = addresses(fleet, facts)
    steps = of_hosts(fleet, facts)
    todo = [name for name in fleet.names if any(not isinstance(s, ProvideImage) for s in steps[name])]
    gone = Stage("old image", tuple(_old_images(facts, old, image)))
    if not todo:
        return make_plan(gone)
    # Whoever leads when its turn comes steps down once: the last one is spared that.
    turns = sorted((name for name in todo if name in servers), key=lambda name: name == standing.leading)
    clients = [name for name in todo if name not in servers]
    stages = []
    for name in turns:
        others = tuple(n for n in servers if n != name)
        wait = AwaitAgent(name, "the next one stops only when this one has all", others, votes=True)
        stages += [
            Stage(f"server {name}", (*_run(steps[name]), wait), guarded=True),
            gate((name,), advertise, f"gate of {name}"),
        ]
    runs: list[Step] = []
    for name in clients:
        runs += [*_run(steps[name]), AwaitAgent(name, "its engine needs an agent", tuple(servers))]
    after = (gate(clients, advertise, "gate of agents"),) if clients else ()
    images = [s for its in steps.values() for s in its if isinstance(s, ProvideImage)]
    ask = CheckVersion(todo[0], "not every version may follow another", image, standing.versions)
    return make_plan(
        Stage("images", tuple(images), guarded=True),
        Stage("version", (ask,)),
        *stages,
        Stage("agents", tuple(runs), guarded=True),
        *after,
        gone,
    )


def _run(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if not isinstance(step, ProvideImage)]


def _old_images(facts: FleetFacts, old: str, image: str) -> Iterator[Step]:
    """Those that came with a deployment: a teardown knows the last one only."""
    for name, its in facts.hosts.items():
        if not isinstance(its.engine, Engine) or its.before is None:
            continue
        there = its.engine.container(consul.CONTAINER)
        ours = dict.fromkeys(tagged(i) for i in (old, there.image if there else old))
        used = {tagged(c.image) for c in its.engine.containers if c.name != consul.CONTAINER}
        for one in ours:
            if one in its.engine.images and one not in its.before.images | used | {tagged(image)}:
                yield RemoveImage(name, "nothing is made from it any more", one)


def _healthy(standing: Standing) -> Iterator[Finding]:
    for server in standing.servers:
        if not server.alive:
            yield error(
                "upgrade.dead",
                f"server {server.told} is not alive: {counted(standing.voters)}",
                matters="each server stops once, and the others have to agree meanwhile",
                fix="bring it back, or `fab store-replace-server`",
            )
        elif not server.voter:
            yield error(
                "upgrade.votes",
                f"server {server.told} does not vote yet",
                fix="a new one does so after 10 s: `fab store-status`",
            )
        elif not server.host:
            yield error(
                "upgrade.elsewhere",
                f"server {server.told} is none of the hosts given",
                matters="it would stay as it is",
                fix="name its host, too",
            )
    for member in standing.members:
        if not member.server and member.state not in ("alive", "left"):
            yield error(
                "upgrade.agent",
                f"the agent on {member.name} is {member.state}",
                matters="its engine has no store",
                fix="`fab store-status`, `docker logs consul` on the host",
            )


def _few(standing: Standing) -> Iterator[Finding]:
    if len(standing.voters) == FEWEST:
        yield warning(
            "upgrade.few",
            f"the store has {FEWEST} servers",
            matters="when one of them stops it has no leader for some seconds, and no container can join",
            fix="`fab store-add-server HOST` first",
        )


def _hosts(facts: FleetFacts) -> Iterator[Finding]:
    for name, its in facts.hosts.items():
        if not isinstance(its.engine, Engine) or not its.engine.running:
            yield error(
                "upgrade.engine",
                "its engine does not run",
                host=name,
                matters="its agent would stay as it is",
                fix="start it: `systemctl start docker`",
            )


def _drift(fleet: Fleet, facts: FleetFacts, standing: Standing) -> Iterator[Finding]:
    fleet = marked(fleet, [server.host for server in standing.servers])
    for name, its in of_hosts(fleet, facts).items():
        if any(isinstance(step, FILES) for step in its):
            yield error(
                "upgrade.differs",
                "its settings of the store are not as the inventory has them",
                host=name,
                matters="one change at a time can be judged",
                fix="`fab deploy-overlay` first",
            )


def _tag(standing: Standing, image: str) -> Iterator[Finding]:
    """Before anything is uploaded; the image itself is asked after that."""
    if (its := of_tag(image)) and (why := forbidden(standing.versions, its)):
        yield error("upgrade.version", why.message, fix=why.hint)


def inventory_needs(fleet: Fleet, image: str) -> str:
    """What to write into the inventory, so that a deployment keeps the image; "" where it has it already."""
    if tagged(fleet.store.image) == tagged(image):
        return ""
    return (
        f"write into the inventory, or the next deployment goes back to {fleet.store.image}: "
        f"`image: {image}` under `store:`"
    )
