"""What lets agents and engines into the store, and where it lies on a host: in two files, root's alone.

Nothing of it is kept on the operator's machine: whoever may be root on the hosts can read it there.
"""

from __future__ import annotations

import json
import secrets
import uuid
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace

from .command import Secret
from .stores.consul import FOLDER

ENVIRONMENT = f"{FOLDER}/engine.env"
"""What docker.service reads with EnvironmentFile=."""
AUTHORITY = f"{FOLDER}/authority.pem"
"""The fleet's authority with its key, on hosts with a server."""
OPERATOR = f"{FOLDER}/operator.token"
"""The management token alone, on hosts with a server, for what works on a host by itself."""
VARIABLE = "CONSUL_HTTP_TOKEN"
CERTIFICATE = "OVERWEAVE_CERTIFICATE"
"""Which certificate an engine has read at its start: nothing else tells that."""
MODE = "600"

AGENT_RULES = 'node_prefix "" { policy = "write" }\nservice_prefix "" { policy = "read" }\n'
ENGINE_RULES = 'key_prefix "docker/" { policy = "write" }\nsession_prefix "" { policy = "write" }\n'


@dataclass(frozen=True)
class Credentials:
    """``gossip`` encrypts what the store's agents tell each other. ``agent`` is what one registers itself
    with, ``engine`` opens the keys and sessions of engines, and ``management`` opens all; None where it is
    not known, as on hosts without a server."""

    gossip: Secret
    agent: Secret
    engine: Secret
    management: Secret | None = None

    @property
    def best(self) -> Secret:
        """The token that opens most."""
        return self.management or self.engine


def fresh() -> Credentials:
    """New ones, by chance."""
    key = b64encode(secrets.token_bytes(32)).decode()
    return Credentials(Secret(key), _token(), _token(), _token())


def settled(found: Iterable[Credentials | None], otherwise: Credentials | None = None) -> Credentials:
    """What a fleet has, from what is ``found`` on its hosts: the first with all of it, for hosts without a
    server don't have the management token. Of what nobody has, that of ``otherwise``, or new."""
    known = [its for its in found if its is not None]
    best = next((its for its in known if its.management), known[0] if known else None)
    new = otherwise or fresh()
    if best is None:
        return new
    return best if best.management else replace(best, management=new.management)


def file_of(its: Credentials, *, server: bool) -> Secret:
    """The text of `SECRETS` on a host. Servers make the management token known when they lead.

    By the name that it had before Consul 1.11: newer ones take it, too (agent/config/deprecated.go).
    """
    tokens = {"agent": its.agent.reveal()}
    if server and its.management:
        tokens["master"] = its.management.reveal()
    held = {"encrypt": its.gossip.reveal(), "acl": {"tokens": tokens}}
    return Secret(json.dumps(held, indent=2, sort_keys=True) + "\n")


def operator_of(its: Credentials) -> Secret | None:
    """The text of `OPERATOR`."""
    return Secret(f"{its.management.reveal()}\n") if its.management else None


def environment_of(its: Credentials | None, certificate: str = "") -> Secret:
    """The text of `ENVIRONMENT`. ``certificate``: the fingerprint of what the engine shows the store. None
    where the store has no tokens."""
    token = f"{VARIABLE}={its.engine.reveal()}\n" if its else ""
    more = f"{CERTIFICATE}={certificate}\n" if certificate else ""
    return Secret(token + more)


def parse(file: str, environment: str) -> Credentials | None:
    """What the two files of a host hold; None where one of them is not there, or not as it was made."""
    try:
        its = json.loads(file)
        tokens = its["acl"]["tokens"]
        gossip, agent, management = its["encrypt"], tokens["agent"], tokens.get("master")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    engine = token_of(environment)
    texts = [gossip, agent, *([management] if management else [])]
    if not engine or not all(isinstance(text, str) and text and text.isascii() for text in texts):
        return None
    return Credentials(Secret(gossip), Secret(agent), engine, Secret(management) if management else None)


def token_of(environment: str) -> Secret | None:
    """The engine's token in lines of ``name=value``."""
    value = _value(environment, VARIABLE)
    return Secret(value) if value else None


def certificate_of(environment: str) -> str:
    """The fingerprint of the engine's certificate in lines of ``name=value``, "" without one."""
    return _value(environment, CERTIFICATE)


def _value(environment: str, wanted: str) -> str:
    for line in environment.splitlines():
        name, _, value = line.partition("=")
        if name == wanted and value:
            return value
    return ""


def _token() -> Secret:
    # Consul takes nothing but a UUID.
    return Secret(str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)))
