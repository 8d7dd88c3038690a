"""What the store's agents and the engines know each other by: an authority of the fleet's own, and a
certificate for each host.

A host has one file for both, with its key, its certificate and the authorities that it trusts, so that it is
replaced in one go: Consul and the engine each take it for all three.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .command import Secret

AUTHORITY_YEARS = 10
HOST_DAYS = 397
RENEW_DAYS = 30
"""So long before its end, a deployment replaces a certificate."""
SKEW = timedelta(hours=1)
"""A certificate is good from so long ago: hosts' clocks differ."""
BROKEN = (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.ExtensionNotFound)
"""What cryptography raises for what can't be read, or does not fit."""


@dataclass(frozen=True)
class Wanted:
    """What a host's certificate must say. ``server`` is the name that Consul asks servers for, "" for a host
    without one; ``address`` is where others reach the host."""

    host: str
    address: str
    server: str = ""

    @property
    def names(self) -> frozenset[str]:
        return frozenset({"localhost", self.server} - {""})


OPERATOR_CERTIFICATE = Wanted("overweave", "127.0.0.1")


@dataclass(frozen=True)
class HostFile:
    """A host's file, as it was read. ``certificate`` is None where there is none, or where the key is not
    its; ``trusted`` are the authorities in it."""

    text: Secret
    certificate: x509.Certificate | None = None
    trusted: tuple[x509.Certificate, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Of the certificate, in hexadecimal; "" where there is none."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()[:16] if self.certificate else ""

    @property
    def expires(self) -> datetime | None:
        return self.certificate.not_valid_after_utc if self.certificate else None


def parse(text: str) -> HostFile:
    """Never raises: what can't be read is not there."""
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
    except BROKEN:
        return HostFile(Secret(text))
    own, *trusted = certificates
    try:
        key = serialization.load_pem_private_key(text.encode(), None)
        fits = key.public_key() == own.public_key()
    except BROKEN:
        fits = False
    return HostFile(Secret(text), own if fits else None, tuple(trusted))


def span(text: str) -> tuple[datetime, datetime] | None:
    """From when till when the first certificate in a text is good; None where there is none."""
    try:
        first, *_ = x509.load_pem_x509_certificates(text.encode())
    except BROKEN:
        return None
    return first.not_valid_before_utc, first.not_valid_after_utc


def fingerprint(text: str) -> str:
    """Of the certificate in a host's file."""
    return parse(text).fingerprint


@dataclass(frozen=True)
class Authority:
    """``text`` is its certificate and its key, in PEM."""

    text: Secret = field(repr=False)

    @cached_property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.text.reveal().encode())

    @cached_property
    def key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self.text.reveal().encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("not a key of an elliptic curve")
        return key

    def issue(self, wanted: Wanted, now: datetime) -> str:
        """A new key with its certificate, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(wanted.names)]
        addresses = dict.fromkeys(("127.0.0.1", wanted.address))
        names += [x509.IPAddress(IPv4Address(address)) for address in addresses]
        # Nothing that it has made is trusted when its own time is over.
        ends = min(now + timedelta(days=HOST_DAYS), self.certificate.not_valid_after_utc)
        certificate = (
            _builder(wanted.host, self.certificate.subject, key, now, ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        return _pem(key) + _pem(certificate)

    def made(self, certificate: x509.Certificate) -> bool:
        """Whether this authority has signed a certificate."""
        return issued_by(certificate, self.certificate)

    def fits(self, certificate: x509.Certificate | None, wanted: Wanted, now: datetime) -> bool:
        """Whether a certificate says what it must, for some time to come."""
        later = now + timedelta(days=RENEW_DAYS)
        if certificate is None or not (_lives(certificate, now) and _lives(certificate, later)):
            return False
        return self.made(certificate) and _says(certificate, wanted)


def authority(text: str) -> Authority | None:
    """None where the text is none, or its key is another's."""
    its = Authority(Secret(text))
    try:
        return its if its.key.public_key() == its.certificate.public_key() else None
    except BROKEN:
        return None


def new_authority(now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    # Two of them are told apart by their name: verification tries an issuer of the same name first.
    name = f"Overweave {now:%Y-%m-%d %H:%M:%S} {x509.random_serial_number() % 2**32:08x}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(name, subject, key, now, now + timedelta(days=365 * AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(Secret(_pem(key) + _pem(certificate)))


@dataclass
class Issuer:
    """Says what each host's file is to hold. What it has issued once it gives again, so that a plan that is
    made anew wants the same.

    ``files`` are those that hosts have now; ``told`` is when it is. An authority that takes over from another
    one comes in three rounds: first all hosts trust both, then they get its certificates, and at last the old
    one is forgotten. Each round is what a deployment wants by what it finds, so that one which was broken off
    is gone on with.
    """

    authority: Authority
    files: Mapping[str, HostFile]
    told: datetime
    issued: dict[tuple[Wanted, bytes], str] = field(default_factory=dict, repr=False)

    def file(self, wanted: Wanted, *, later: bool = False) -> Secret:
        """The text that a host's file is to have. ``later``: others must not see it with a new authority's
        certificate yet."""
        there = self.files.get(wanted.host)
        keep = there is not None and self._keeps(there, wanted, later=later)
        own = _own(there) if there and keep else self._issued(wanted)
        return Secret(own + "".join(_pem(its) for its in self.trusted))

    @cached_property
    def trusted(self) -> Sequence[x509.Certificate]:
        """This authority, and those that certificates of hosts are still from."""
        known: dict[x509.Certificate, None] = {self.authority.certificate: None}
        for its in self.files.values():
            if its.certificate and not self.authority.made(its.certificate):
                known |= dict.fromkeys(c for c in its.trusted if issued_by(its.certificate, c))
        return list(known)

    @property
    def authorities(self) -> Secret:
        """The text of a file with those that hosts are to trust, and nothing else."""
        return Secret("".join(map(_pem, self.trusted)))

    def operator(self) -> Secret:
        """What whoever works on the fleet can show the store, and whom it trusts."""
        return Secret(self._issued(OPERATOR_CERTIFICATE) + self.authorities.reveal())

    @cached_property
    def shown(self) -> frozenset[str]:
        """Fingerprints of the certificates that hosts have from this authority."""
        return frozenset(
            its.fingerprint
            for its in self.files.values()
            if its.certificate and self.authority.made(its.certificate)
        )

    @cached_property
    def is_trusted(self) -> bool:
        """Whether all hosts that have a certificate trust this authority."""
        certificate = self.authority.certificate
        return all(certificate in its.trusted for its in self.files.values() if its.certificate)

    def _keeps(self, there: HostFile, wanted: Wanted, *, later: bool) -> bool:
        if self.authority.fits(there.certificate, wanted, self.told):
            return True
        its = there.certificate
        if its is None or not _says(its, wanted) or not _lives(its, self.told):
            return False
        # Of another authority, and in order else.
        old = not self.authority.made(its) and any(issued_by(its, c) for c in there.trusted)
        return old and (later or not self.is_trusted)

    def _issued(self, wanted: Wanted) -> str:
        key = (wanted, self.authority.certificate.fingerprint(hashes.SHA256()))
        if key not in self.issued:
            self.issued[key] = self.authority.issue(wanted, self.told)
        return self.issued[key]


def settled(found: Iterable[str], now: datetime, otherwise: Authority | None = None) -> Authority:
    """The authority of a fleet, from the texts of those that are on its hosts: the newest, for a change that
    was broken off goes on. Where there is none that lives, ``otherwise``, or a new one."""
    known = [its for its in map(authority, found) if its and _lives(its.certificate, now)]
    if known:
        return max(known, key=lambda its: (its.certificate.not_valid_before_utc, its.text.reveal()))
    return otherwise or new_authority(now)


def _own(file: HostFile) -> str:
    """The key and the certificate of a host's file, without those that it trusts."""
    assert file.certificate is not None
    key = serialization.load_pem_private_key(file.text.reveal().encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return _pem(key) + _pem(file.certificate)


def issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether an authority has signed a certificate."""
    try:
        certificate.verify_directly_issued_by(authority)
    except BROKEN:
        return False
    return True


def _lives(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc


def _says(certificate: x509.Certificate, wanted: Wanted) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except BROKEN:
        return False
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return (
        frozenset(names.get_values_for_type(x509.DNSName)) == wanted.names
        and addresses == {"127.0.0.1", wanted.address}
    )  # fmt: skip


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(ends)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(its: x509.Certificate | ec.EllipticCurvePrivateKey) -> str:
    if isinstance(its, x509.Certificate):
        return its.public_bytes(serialization.Encoding.PEM).decode()
    return its.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def now() -> datetime:
    return datetime.now(UTC)
