"""Lists of hosts that people have already, as the mapping that an inventory of ours is; pure.

- ``ansible-inventory --list``: the standard variables of a connection, ``overweave_advertise``,
  ``overweave_store``, ``overweave_manager`` and ``overweave_zone`` of a host or a group, and the groups
  ``overweave_store`` and ``overweave_manager``. With a group ``overweave``, only its hosts are taken.
- ``vagrant ssh-config``, or another file that ``ssh -F`` takes.
- ``docker context ls --format '{{json .}}'``, or ``docker context inspect``: contexts whose engine is reached
  by ssh.
- one host in a line, as -H takes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from .errors import InventoryError

ANSIBLE = {
    "ansible_host": "address",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_ssh_private_key_file": "key",
    "ansible_private_key_file": "key",
    "overweave_advertise": "advertise",
    "overweave_store": "store",
    "overweave_manager": "manager",
    "overweave_zone": "zone",
}
ANSIBLE_SSH = ("ssh", "smart", "paramiko", "paramiko_ssh")
OURS = "overweave"
MARKS = ("store", "manager")
SSH = {
    "hostname": "address",
    "user": "user",
    "port": "port",
    "identityfile": "key",
    "userknownhostsfile": "known_hosts",
}
NOWHERE = "/dev/null"
"""Vagrant's known_hosts. Host keys are verified all the same."""

Hosts = dict[str, dict[str, Any]]


def recognise(text: str) -> dict[str, Any] | None:
    """The mapping of an inventory, if the text is one of a known tool; else None. A list of hosts is not
    recognised: any word might be one.

    Raises `InventoryError` for what such an inventory says and can't be used.
    """
    hosts: Hosts | None = None
    if text.lstrip()[:1] in ("{", "["):
        hosts = _of_json(text)
    elif re.match(r"(?:\s*(?:#[^\n]*)?\n)*\s*(?:Host|Match|Include)[ \t=]", text, re.IGNORECASE):
        hosts = _ssh_config(text)
    return None if hosts is None else {"hosts": hosts}


def listed(text: str) -> list[str]:
    """The words of a text that has one in each line, as a list of hosts has; none if it is something else."""
    words = [word for line in text.splitlines() if (word := line.partition("#")[0].strip())]
    return [] if any(re.search(r"\s|[:{,]$|^[{-]|^\[\W*$", word) for word in words) else words


def _of_json(text: str) -> Hosts | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        try:
            data = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            return None
    if isinstance(data, dict) and "_meta" in data:
        return _ansible(data)
    contexts = data if isinstance(data, list) else [data]
    if contexts and all(isinstance(its, dict) and "Name" in its for its in contexts):
        return _contexts(contexts)
    return None


def _ansible(data: Mapping[str, Any]) -> Hosts:
    variables = _mapping(_mapping(data["_meta"]).get("hostvars"))
    groups = {name: _mapping(its) for name, its in data.items() if name != "_meta"}
    names = _members(groups, OURS if OURS in groups else "all")
    marked = {mark: _members(groups, f"{OURS}_{mark}") for mark in MARKS}
    hosts: Hosts = {}
    for name in names:
        its = _mapping(variables.get(name))
        where = f"hosts.{name}"
        if (how := its.get("ansible_connection", "ssh")) not in ANSIBLE_SSH:
            raise InventoryError(
                f"{where}.ansible_connection",
                f"is '{how}', and hosts are reached by ssh",
                hint=f"leave it out: with a group `{OURS}`, only that group's hosts are taken",
            )
        hosts[name] = {}
        for variable, key in ANSIBLE.items():
            if variable not in its:
                continue
            value = its[variable]
            if isinstance(value, str) and "{{" in value:
                raise InventoryError(
                    f"{where}.{variable}",
                    "is a template, which ansible-inventory leaves as it is",
                    hint="give the host a plain value",
                )
            hosts[name].setdefault(key, int(value) if key == "port" and str(value).isdigit() else value)
        hosts[name] |= {mark: True for mark, members in marked.items() if name in members}
    return hosts


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _words(value: object) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _members(groups: Mapping[str, Any], name: str, above: tuple[str, ...] = ()) -> list[str]:
    """Hosts of a group and of the groups in it, in their order, each once."""
    its = groups.get(name, {})
    found = _words(its.get("hosts"))
    for child in _words(its.get("children")):
        if child not in (*above, name):
            found += _members(groups, child, (*above, name))
    return list(dict.fromkeys(found))


def _ssh_config(text: str) -> Hosts:
    hosts: Hosts = {}
    current: list[str] = []
    for line in text.splitlines():
        match = re.fullmatch(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*?)\s*", line)
        if not match:
            continue
        keyword, value = match[1].lower(), match[2].strip('"')
        if keyword in ("host", "match"):
            # Patterns, and what a Match decides, name no host.
            current = value.split() if keyword == "host" and not re.search(r"[*?!]", value) else []
            for name in current:
                hosts.setdefault(name, {})
        elif keyword in SSH and not (keyword == "userknownhostsfile" and value == NOWHERE):
            for name in current:
                its = int(value) if keyword == "port" and value.isdigit() else value
                hosts[name].setdefault(SSH[keyword], its)
    return hosts


def _contexts(contexts: Sequence[Mapping[str, Any]]) -> Hosts:
    hosts: Hosts = {}
    for its in contexts:
        inspected = _mapping(_mapping(its.get("Endpoints")).get("docker"))
        endpoint = str(its.get("DockerEndpoint") or inspected.get("Host") or "")
        try:
            place = urlsplit(endpoint)
            told = {"address": place.hostname, "user": place.username, "port": place.port}
        except ValueError as e:
            raise InventoryError(
                f"hosts.{its['Name']}", f"'{endpoint}' is no address of an engine: {e}"
            ) from e
        if place.scheme == "ssh":
            hosts[str(its["Name"])] = {key: value for key, value in told.items() if value}
    if not hosts:
        raise InventoryError(
            "",
            "no context has an engine that is reached by ssh",
            hint="`docker context ls` shows their addresses, which must begin with ssh://",
        )
    return hosts
