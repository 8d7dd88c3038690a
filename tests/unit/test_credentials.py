"""What lets agents and engines into the store, as the two files of a host hold it."""

from __future__ import annotations

import json
import uuid
from base64 import b64decode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.command import Secret
from overweave.credentials import (
    Credentials,
    environment_of,
    file_of,
    fresh,
    operator_of,
    parse,
    settled,
    token_of,
)

ALL = Credentials(*map(Secret, ("Z29zc2lw", "of-agents", "of-engines", "of-all")))
OF_AN_AGENT = replace(ALL, management=None)


def read_back(its, *, server):
    return parse(file_of(its, server=server).reveal(), environment_of(its).reveal())


def test_the_files_whole():
    assert json.loads(file_of(ALL, server=True).reveal()) == {
        "encrypt": "Z29zc2lw",
        "acl": {"tokens": {"agent": "of-agents", "master": "of-all"}},
    }
    assert json.loads(file_of(ALL, server=False).reveal())["acl"] == {"tokens": {"agent": "of-agents"}}
    assert (operator_of(ALL).reveal(), operator_of(OF_AN_AGENT)) == ("of-all\n", None)
    assert environment_of(ALL).reveal() == "CONSUL_HTTP_TOKEN=of-engines\n"


def test_what_is_written_is_read_and_the_management_token_is_on_servers_alone():
    assert read_back(ALL, server=True) == ALL
    assert read_back(ALL, server=False) == OF_AN_AGENT
    assert read_back(OF_AN_AGENT, server=True) == OF_AN_AGENT
    assert (ALL.best, OF_AN_AGENT.best) == (Secret("of-all"), Secret("of-engines"))


@pytest.mark.parametrize(
    ("file", "environment"),
    [
        ("", ""),
        (file_of(ALL, server=True).reveal(), ""),
        ("", environment_of(ALL).reveal()),
        ("[]", environment_of(ALL).reveal()),
        ("[" * 100_000, environment_of(ALL).reveal()),
        ('{"encrypt": 1, "acl": {"tokens": {"agent": "a"}}}', environment_of(ALL).reveal()),
        ('{"encrypt": "", "acl": {"tokens": {"agent": "a"}}}', environment_of(ALL).reveal()),
        ('{"encrypt": "k", "acl": {"tokens": {"agent": "ä"}}}', environment_of(ALL).reveal()),
        ('{"encrypt": "k", "acl": {"tokens": {"agent": "a", "master": []}, "x": 1}}', "CONSUL_HTTP_TOKEN=\n"),
    ],
)
def test_files_that_are_not_as_they_were_made_hold_nothing(file, environment):
    assert parse(file, environment) is None


@given(st.text(), st.text())
def test_any_text_is_read_without_a_crash(file, environment):
    parse(file, environment)
    token_of(environment)


def test_new_ones_are_what_consul_takes_and_never_the_same():
    one, two = fresh(), fresh()
    assert len(b64decode(one.gossip.reveal())) == 32
    tokens = [its.reveal() for its in (one.agent, one.engine, one.management, two.agent, two.engine)]
    assert len({str(uuid.UUID(token)) for token in tokens}) == len(tokens)
    assert one.gossip != two.gossip


def test_a_fleet_keeps_what_a_server_of_it_has():
    assert settled([None, OF_AN_AGENT, ALL]) == ALL
    assert settled([OF_AN_AGENT, None], ALL) == ALL
    assert settled([None, None], ALL) == ALL


def test_what_nobody_has_is_new():
    other = replace(ALL, management=Secret("new"))
    assert settled([OF_AN_AGENT], other) == other
    alone = settled([OF_AN_AGENT])
    assert replace(alone, management=None) == OF_AN_AGENT
    assert uuid.UUID(alone.management.reveal())
    assert settled([]) != settled([])


def test_nothing_of_it_shows():
    shown = f"{ALL} {ALL!r} {file_of(ALL, server=True)} {environment_of(ALL)!r}"
    assert all(word not in shown for word in ("Z29zc2lw", "of-agents", "of-engines", "of-all"))
