"""The unit of a store that runs as a service."""

from __future__ import annotations

from overweave.facts.store_service import StoreService
from overweave.model import Store
from overweave.store_service import unit
from overweave.stores import consul

HOST = StoreService("/usr/local/bin/consul")


def config(**more):
    return consul.config(
        Store(run_as="service", **more), address="10.0.0.1", servers=["10.0.0.1", "10.0.0.2"], server=True
    )


def test_the_unit_runs_the_hosts_program_before_its_engine_and_lets_it_write_nowhere_else():
    text, digest = unit(HOST, config())
    for line in (
        "Before=docker.service",
        f"Environment=OVERWEAVE_SPEC={digest}",
        "ExecStart=/usr/local/bin/consul agent -ui -config-file=/etc/overweave/consul.json "
        "-config-file=/etc/overweave/consul-secrets.json -data-dir=/var/lib/overweave/consul",
        "Restart=always",
        "StateDirectory=overweave/consul",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
    ):
        assert f"\n{line}\n" in text, line
    assert "Requires" not in text, "an engine starts without its store, too"


def test_other_settings_and_another_program_are_another_service_and_other_servers_are_not():
    _, digest = unit(HOST, config())
    assert unit(HOST, config(options={"log_level": "warn"}))[1] != digest
    assert unit(StoreService("/usr/bin/consul"), config())[1] != digest
    more = consul.config(
        Store(run_as="service"), address="10.0.0.1", servers=["10.0.0.1", "10.0.0.3"], server=True
    )
    assert unit(HOST, more)[1] == digest


def test_the_file_is_the_same_for_both_forms():
    its = {"address": "10.0.0.1", "servers": ["10.0.0.1"], "server": True}
    assert consul.config(Store(), **its) == consul.config(Store(run_as="service"), **its)
