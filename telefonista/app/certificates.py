"""The certificate by which telephones know that they speak with this installation (SIP over TLS).

In: a folder, the names by which telephones reach us, and the time. Out: files, made when there are none, when the names
are others, or when their time is nearly over; signed by an authority of this installation, whose certificate the
telephones are given once. Or a certificate of the organisation's own, looked over. Starts nothing, asks no network.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from telefonista.app.home import write_private

AUTHORITY_DAYS = 3650
SERVER_DAYS = 825
"""What Apple's systems accept at most, of a private authority's, too."""
RENEW_DAYS = 30
_CLOCKS_DIFFER = timedelta(hours=1)
_READABLE = 0o644


class CertificateUnusable(Exception):
    """The certificate that was given cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What Asterisk shows and what telephones check. `authority` is the file that telephones are given; None where the
    certificate is the organisation's own, whose authority they know."""

    certificate: Path
    key: Path
    authority: Path | None
    fingerprint: str
    """SHA-256 of the authority's certificate, or of the organisation's own, as softphones show it."""
    names: tuple[str, ...]
    ends: datetime


def made(folder: Path, *, names: Sequence[str], now: datetime) -> Certificate:
    """Ours, from `folder`, renewed where it has to be; the authority stays the same, so that telephones notice nothing.

    Raises OSError; `CertificateUnusable` for files there that are damaged."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    authority_file, authority_key_file = folder / "authority.pem", folder / "authority.key"
    server_file, server_key_file = folder / "server.pem", folder / "server.key"
    if not authority_file.exists() or _load(authority_file)[0].not_valid_after_utc <= now + timedelta(days=RENEW_DAYS):
        _make_authority(authority_file, authority_key_file, now=now)
    authority, authority_key = _load(authority_file)[0], _load_key(authority_key_file)
    if not _serves(server_file, server_key_file, authority=authority, names=names, now=now):
        server_key = ec.generate_private_key(ec.SECP256R1())
        server = _signed(server_key, names=names, authority=authority, authority_key=authority_key, now=now)
        _write_key(server_key_file, server_key)
        _write(server_file, server, authority)
    ends = _load(server_file)[0].not_valid_after_utc
    return Certificate(server_file, server_key_file, authority_file, _fingerprint(authority), tuple(names), ends)


def given(certificate: Path, *, key: Path, now: datetime) -> Certificate:
    """The organisation's own. Raises `CertificateUnusable` where Asterisk could not use it, or telephones would not."""
    found = _load(certificate)[0]
    if _public(_load_key(key)) != _public_of(found):
        raise CertificateUnusable(f"{key} is not the key of {certificate}")
    if found.not_valid_after_utc <= now:
        raise CertificateUnusable(f"{certificate} ended on {found.not_valid_after_utc:%Y-%m-%d}")
    if found.not_valid_before_utc > now:
        raise CertificateUnusable(f"{certificate} does not hold before {found.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
    return Certificate(certificate, key, None, _fingerprint(found), names_of(found), found.not_valid_after_utc)


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names and addresses that it speaks for."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = [str(address) for address in alternatives.get_values_for_type(x509.IPAddress)]
    return (*alternatives.get_values_for_type(x509.DNSName), *addresses)


def read_certificate(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file. Raises `CertificateUnusable`."""
    return _load(path)[0]


def _serves(certificate: Path, key: Path, *, authority: x509.Certificate, names: Sequence[str], now: datetime) -> bool:
    """Whether what is there will do for a while."""
    if not certificate.exists() or not key.exists():
        return False
    found = _load(certificate)[0]
    try:
        found.verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    return (
        found.not_valid_after_utc > now + timedelta(days=RENEW_DAYS)
        and sorted(names_of(found)) == sorted(set(names))
        and _public(_load_key(key)) == _public_of(found)
    )


def _make_authority(file: Path, key_file: Path, *, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    # With a number, for a telephone keeps authorities by their names, and there may be one after this.
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"Telefonista {x509.random_serial_number() % 10**8:08d}")]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_file, key)
    _write(file, certificate)


def _signed(
    key: ec.EllipticCurvePrivateKey,
    *,
    names: Sequence[str],
    authority: x509.Certificate,
    authority_key: CertificateIssuerPrivateKeyTypes,
    now: datetime,
) -> x509.Certificate:
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(min(now + timedelta(days=SERVER_DAYS), authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([_alternative(name) for name in dict.fromkeys(names)]), critical=False
        )
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _load(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as refusal:
        raise CertificateUnusable(f"{path} cannot be read: {refusal.strerror}") from refusal
    except ValueError:
        raise CertificateUnusable(f"{path} holds no certificate (PEM)") from None


def _load_key(path: Path) -> CertificateIssuerPrivateKeyTypes:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as refusal:
        raise CertificateUnusable(f"{path} cannot be read: {refusal.strerror}") from refusal
    except TypeError:
        raise CertificateUnusable(f"{path} has a password; Asterisk could not ask for it") from None
    except ValueError:
        raise CertificateUnusable(f"{path} holds no private key (PEM)") from None
    return key  # type: ignore[return-value]  # keys that cannot sign are found out when they do not match


def _public(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _public_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _fingerprint(certificate: x509.Certificate) -> str:
    return ":".join(f"{byte:02X}" for byte in certificate.fingerprint(hashes.SHA256()))


def _write(path: Path, *certificates: x509.Certificate) -> None:
    write_private(path, b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates))
    # A certificate is no secret: it is there to be handed out.
    path.chmod(_READABLE)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    plain = serialization.NoEncryption()
    write_private(path, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
