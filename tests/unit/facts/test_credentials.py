"""The files of a host, and what its running engine shows the store."""

from __future__ import annotations

from overweave.command import Result, Secret
from overweave.credentials import (
    AUTHORITY,
    ENVIRONMENT,
    OPERATOR,
    Credentials,
    environment_of,
    file_of,
    operator_of,
)
from overweave.facts.credentials import QUERIES, HostCredentials, look
from overweave.stores.consul import SECRETS, TLS
from overweave.stores.etcd import TRUSTED

ALL = Credentials(*map(Secret, ("Z29zc2lw", "of-agents", "of-engines", "of-all")))
FILE, LINE = file_of(ALL, server=True), environment_of(ALL)


def looked(*texts):
    return look([Result(query, 0, text, "") for query, text in zip(QUERIES, texts, strict=True)])


def test_all_of_it():
    operator = operator_of(ALL)
    files = {
        SECRETS: FILE,
        ENVIRONMENT: LINE,
        OPERATOR: operator,
        TLS: Secret("a certificate"),
        AUTHORITY: Secret("an authority"),
        TRUSTED: Secret("authorities"),
    }
    running = "CONSUL_HTTP_TOKEN=of-engines\nOVERWEAVE_CERTIFICATE=a1b2\n"
    its = looked(*(f"600 0\n{text.reveal()}" for text in files.values()), running)
    assert its == HostCredentials(files, frozenset(), Secret("of-engines"), "a1b2")
    assert its.known == ALL
    assert (its.text(TLS), its.text("/etc/passwd")) == ("a certificate", "")


def test_a_file_that_others_may_read_or_own_is_told_and_still_counts():
    its = looked(f"640 0\n{FILE.reveal()}", f"600 1000\n{LINE.reveal()}", "", "", "", "", "")
    assert (its.exposed, its.running, its.known) == ({SECRETS, ENVIRONMENT}, None, ALL)


def test_a_host_without_any():
    assert looked("", "", "", "", "", "", "") == HostCredentials()
    assert HostCredentials().known is None


def test_what_they_print_is_written_down_nowhere():
    assert all(query.private for query in QUERIES)
