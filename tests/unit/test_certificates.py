"""What a host's file is to hold, from what hosts have: by real certificates, verified as a peer would."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.x509 import ExtensionNotFound
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from overweave import certificates
from overweave.certificates import Issuer, Wanted, authority, fingerprint, new_authority, parse, settled

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SERVER = Wanted("host1", "10.0.0.11", "server.dc1.consul")
CLIENT = Wanted("host2", "10.0.0.12")
FIRST, SECOND = new_authority(NOW), new_authority(NOW + timedelta(minutes=1))


def issuer(files=None, its=FIRST, at=NOW, issued=None):
    parsed = {host: parse(text) for host, text in (files or {}).items()}
    return Issuer(its, parsed, at, {} if issued is None else issued)


def made(*wanted, its=FIRST, at=NOW):
    return {one.host: issuer(its=its, at=at).file(one).reveal() for one in wanted}


def names(text):
    found = parse(text).certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))}


def verified(text, name, by, at=NOW):
    store = Store(parse(by).trusted)
    verifier = PolicyBuilder().store(store).time(at).build_server_verifier(name)
    return verifier.verify(parse(text).certificate, [])


def test_hosts_know_each_other_and_a_client_can_not_pass_for_a_server():
    files = made(SERVER, CLIENT)
    server, client = files["host1"], files["host2"]
    assert names(server) == {"server.dc1.consul", "localhost", "127.0.0.1", "10.0.0.11"}
    assert names(client) == {"localhost", "127.0.0.1", "10.0.0.12"}
    assert verified(server, x509.DNSName("server.dc1.consul"), by=client)
    assert verified(client, x509.IPAddress(IPv4Address("10.0.0.12")), by=server)
    with pytest.raises(VerificationError):
        verified(client, x509.DNSName("server.dc1.consul"), by=server)
    with pytest.raises(VerificationError):
        verified(made(SERVER, its=SECOND)["host1"], x509.DNSName("server.dc1.consul"), by=client)


def test_a_certificate_is_good_for_a_year_and_a_bit_and_for_clocks_that_are_late():
    file = parse(made(CLIENT)["host2"])
    assert file.expires == NOW + timedelta(days=397)
    assert file.certificate.not_valid_before_utc == NOW - timedelta(hours=1)
    late = NOW + timedelta(days=3640)
    assert parse(made(CLIENT, at=late)["host2"]).expires == FIRST.certificate.not_valid_after_utc
    with pytest.raises(ExtensionNotFound):
        file.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    constraints = file.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, False)


def test_what_is_there_and_fits_stays_to_the_byte():
    files = made(SERVER, CLIENT)
    assert {w.host: issuer(files).file(w).reveal() for w in (SERVER, CLIENT)} == files


@pytest.mark.parametrize(
    ("wanted", "at"),
    [
        (replace(CLIENT, address="10.0.0.99"), NOW),
        (replace(CLIENT, server="server.dc1.consul"), NOW),
        (CLIENT, NOW + timedelta(days=368)),
        (CLIENT, NOW + timedelta(days=500)),
        (CLIENT, NOW - timedelta(days=1)),
    ],
    ids=["another address", "it becomes a server", "30 days before its end", "behind its end", "too early"],
)
def test_what_does_not_fit_is_made_anew_and_once(wanted, at):
    files, issued = made(SERVER, CLIENT), {}
    new = issuer(files, at=at, issued=issued).file(wanted)
    assert new.reveal() != files["host2"]
    assert issuer(files, at=at, issued=issued).file(wanted) == new
    assert authority(FIRST.text.reveal()).fits(parse(new.reveal()).certificate, wanted, at)


@pytest.mark.parametrize(
    "odd", ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\0é"]
)
def test_what_can_not_be_read_is_not_there(odd):
    file = parse(odd)
    assert (file.certificate, file.trusted, file.fingerprint, file.expires) == (None, (), "", None)
    assert authority(odd) is None
    assert parse(issuer({"host2": odd}).file(CLIENT).reveal()).certificate is not None


def test_a_key_that_is_another_certificates_does_not_work():
    one, other = made(CLIENT)["host2"], made(CLIENT)["host2"]
    key, rest = one.partition("-----BEGIN CERTIFICATE")[0], other[other.index("-----BEGIN CERTIFICATE") :]
    assert parse(key + rest).certificate is None


def test_an_authority_takes_over_in_three_rounds():
    """Whoever is behind by one round still knows the others."""
    old = made(SERVER, CLIENT)
    trust = {w.host: issuer(old, SECOND).file(w).reveal() for w in (SERVER, CLIENT)}
    assert {h: fingerprint(t) for h, t in trust.items()} == {h: fingerprint(t) for h, t in old.items()}
    assert [parse(t).trusted for t in trust.values()] == [(SECOND.certificate, FIRST.certificate)] * 2

    one = {**trust, "host1": issuer(trust, SECOND).file(SERVER).reveal()}
    assert SECOND.made(parse(one["host1"]).certificate)
    for text in (one["host1"], trust["host1"]):
        assert verified(text, x509.DNSName("server.dc1.consul"), by=trust["host2"])
    assert issuer(one, SECOND).shown == {fingerprint(one["host1"])}

    both = {**one, "host2": issuer(one, SECOND).file(CLIENT).reveal()}
    assert SECOND.made(parse(both["host2"]).certificate)

    last = {w.host: issuer(both, SECOND).file(w).reveal() for w in (SERVER, CLIENT)}
    assert {h: fingerprint(t) for h, t in last.items()} == {h: fingerprint(t) for h, t in both.items()}
    assert [parse(t).trusted for t in last.values()] == [(SECOND.certificate,)] * 2
    assert {w.host: issuer(last, SECOND).file(w).reveal() for w in (SERVER, CLIENT)} == last


def test_no_host_gets_a_new_authoritys_certificate_before_all_trust_it():
    old = made(SERVER, CLIENT)
    half = {**old, "host1": issuer(old, SECOND).file(SERVER).reveal()}
    assert fingerprint(issuer(half, SECOND).file(SERVER).reveal()) == fingerprint(old["host1"])


def test_the_only_server_waits_for_its_engines():
    old = made(SERVER, CLIENT)
    trust = {w.host: issuer(old, SECOND).file(w).reveal() for w in (SERVER, CLIENT)}
    assert fingerprint(issuer(trust, SECOND).file(SERVER, later=True).reveal()) == fingerprint(old["host1"])
    assert fingerprint(issuer(trust, SECOND).file(SERVER).reveal()) != fingerprint(old["host1"])


def test_a_host_that_joins_gets_its_certificate_at_once():
    files = made(SERVER)
    file = parse(issuer(files).file(CLIENT).reveal())
    assert FIRST.made(file.certificate)
    assert file.trusted == (FIRST.certificate,)


def test_an_authority_that_is_lost_is_followed_by_another_one_in_the_same_way():
    """The last server's host is gone with the key; what hosts have goes on till they trust the new one."""
    old = made(SERVER, CLIENT)
    new = settled([], NOW)
    text = issuer(old, new).file(CLIENT).reveal()
    assert fingerprint(text) == fingerprint(old["host2"])
    assert parse(text).trusted == (new.certificate, FIRST.certificate)


def test_the_newest_authority_counts_so_that_a_change_which_was_broken_off_goes_on():
    texts = [FIRST.text.reveal(), "", SECOND.text.reveal(), FIRST.text.reveal()]
    at = NOW + timedelta(days=2)
    assert settled(texts, at).text == SECOND.text
    assert settled([], NOW, FIRST) is FIRST
    long_after = NOW + timedelta(days=4000)
    assert settled(texts, long_after, FIRST) is FIRST, "those on the hosts have ended"
    assert settled([], NOW).text != settled([], NOW).text


def test_an_authority_with_anothers_key_is_none():
    key = FIRST.text.reveal().partition("-----BEGIN CERTIFICATE")[0]
    rest = SECOND.text.reveal().partition("-----END PRIVATE KEY-----\n")[2]
    assert authority(key + rest) is None
    assert authority(FIRST.text.reveal()) == FIRST


def test_no_key_is_shown():
    shown = repr((FIRST, parse(made(CLIENT)["host2"]), issuer(made(CLIENT))))
    assert "PRIVATE" not in shown


def test_now_is_in_utc():
    assert certificates.now().tzinfo is UTC
