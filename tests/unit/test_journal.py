"""Journal lines as engines wrote them, and what they mean."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overweave.journal import SIGNATURES, SINCE_THE_CHANGE, causes

LINES = {
    "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives are "
    "specified both as a flag and in the configuration file: cluster-store: (from flag: "
    "consul://10.96.0.11:8500, from file: consul://10.0.0.1:8500)": (
        "cluster-store is given both as a flag and in /etc/docker/daemon.json (moby#31359)"
    ),
    "failed to start daemon: discovery initialization failed (discovery service not supported)": (
        "this engine was built without the Consul store, as Debian 12's is"
    ),
    "unknown flag: --cluster-weave": "the engine does not know the flag --cluster-weave",
    "unable to configure the Docker daemon with file /etc/docker/daemon.json: invalid character '}'": (
        "the engine does not take its daemon.json: invalid character '}'"
    ),
    "Failed to start TCP listener: listen tcp 10.98.20.11:7946: bind: address already in use": (
        "the port is taken: 10.98.20.11:7946"
    ),
    "==> Error starting agent: listen tcp :8300: bind: address already in use": ("the port is taken: :8300"),
    "write /var/lib/docker/tmp/x: no space left on device": "a disk is full",
    "docker.service: Main process exited, code=killed, status=9/KILL": "the engine was killed",
    'msg="discovery error: Put \\"http://10.0.0.1:8500/v1/kv\\": dial tcp 10.0.0.1:8500: i/o timeout"': (
        "the engine does not reach the store at 10.0.0.1:8500 (moby#29316)"
    ),
    "dial tcp 10.0.0.1:8500: connect: connection refused": (
        "the engine does not reach the store at 10.0.0.1:8500 (moby#29316)"
    ),
    "Unexpected response code: 500 (No cluster leader)": "the store has no leader (moby#18841)",
    "[ERR] serf: minority in name conflict resolution, quitting [6 / 8]": (
        "another host has the same host name (docker/classicswarm#1573)"
    ),
    "error creating vxlan interface: file exists": (
        "a vxlan device of an earlier engine is left over (moby/libnetwork#1765)"
    ),
    'bridge creation in sandbox failed: failed to create bridge "ov-000100-d2641": file exists': (
        "the engine is stuck with a namespace of that network that it has made only half of"
    ),
    "Unexpected response code: 413 (Value exceeds 524288 byte limit)": (
        "the store refuses a value above 524288 bytes (docker/classicswarm#1941)"
    ),
    "--cluster-store and --cluster-advertise daemon configurations are incompatible with swarm mode": (
        "the engine is in swarm mode, which forbids a cluster store"
    ),
    "Error starting daemon: Error initializing network controller: Enabling IP forwarding failed": (
        "the engine may not switch on IP forwarding"
    ),
    "failed to create NAT chain DOCKER: iptables failed": (
        "the engine can't write its firewall rules (moby#50443)"
    ),
    "x509: certificate has expired or is not yet valid": (
        "a certificate is not valid at the host's time (moby#24078)"
    ),
    'Get "https://10.0.0.1:8501/v1/kv": x509: certificate signed by unknown authority': (
        "the engine and its store do not know each other's certificates: x509: certificate signed by unknown "
        "authority"
    ),
    'Get "https://10.0.0.1:8501/v1/kv": x509: certificate is valid for 127.0.0.1, 10.0.0.9, not 10.0.0.1': (
        "the engine and its store do not know each other's certificates: x509: certificate is valid for "
        "127.0.0.1, 10.0.0.9, not 10.0.0.1"
    ),
    'Get "https://10.0.0.1:8501/v1/kv": remote error: tls: bad certificate': (
        "the engine and its store do not know each other's certificates: remote error: tls: bad certificate"
    ),
    "error initializing graphdriver: driver not supported": (
        "the engine can't use its storage: driver not supported"
    ),
    "docker.service: Start request repeated too quickly.": (
        "systemd gave up: the unit was started too often in a short time"
    ),
}


@pytest.mark.parametrize(("line", "cause"), LINES.items())
def test_a_line_has_exactly_this_cause(line, cause):
    found = causes(f"Starting Docker Application Container Engine...\n{line}\nStopped.\n")
    assert [its.text for its in found] == [cause]
    assert found[0].remedy
    assert "{" not in found[0].remedy


def test_every_signature_is_proven_by_a_line():
    assert len({causes(line)[0].text for line in LINES}) >= len(SIGNATURES)


def test_the_most_telling_comes_first():
    lines = "start-limit-hit\nStart request repeated too quickly\nunknown flag: --x\n"
    assert [its.text for its in causes(lines)] == [
        "the engine does not know the flag --x",
        "systemd gave up: the unit was started too often in a short time",
    ]


def test_an_uneventful_journal_has_none():
    assert causes('level=info msg="API listen on /run/docker.sock"\nStarted Docker.\n') == ()


@given(st.text(max_size=300))
def test_any_text_gives_printable_causes(text):
    for line in (text, f"unknown flag: --{text}", f"error initializing graphdriver: {text}"):
        for its in causes(line):
            assert (its.text + its.remedy).isprintable()


def test_an_engine_that_answers_nobody_holds_no_search_for_causes_up(tmp_path):
    """systemd listens for an engine that it is about to start again, and a CLI waits until it does."""
    for name, text in (("docker", "exec sleep 60"), ("journalctl", "echo the journal")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    *words, seconds = SINCE_THE_CHANGE.words
    assert int(seconds) > 1
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run([*words, "1"], capture_output=True, text=True, timeout=30, env=environment)
    assert ran.stdout == "the journal\n"
