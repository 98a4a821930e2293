"""The certificate by which telephones know us: made once, renewed in time, or the organisation's own looked over."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from telefonista.app.certificates import (
    AUTHORITY_DAYS,
    RENEW_DAYS,
    SERVER_DAYS,
    Certificate,
    CertificateUnusable,
    given,
    made,
    names_of,
    read_certificate,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = ("central.example.org", "192.0.2.7", "2001:db8::7")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def after(days: float) -> datetime:
    return NOW + timedelta(days=days)


def test_first_start_makes_an_authority_and_a_certificate_for_every_name(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    one = made(folder, names=NAMES, now=NOW)
    certificate, authority = read_certificate(one.certificate), read_certificate(folder / "authority.pem")
    certificate.verify_directly_issued_by(authority)
    assert names_of(certificate) == NAMES
    assert one.authority == folder / "authority.pem"
    assert one.fingerprint == authority.fingerprint(hashes.SHA256()).hex(":").upper()
    assert one.ends == certificate.not_valid_after_utc == after(SERVER_DAYS)
    assert certificate.not_valid_before_utc < NOW
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_keys_are_their_owners_alone_and_certificates_may_be_handed_out(tmp_path: Path) -> None:
    made(tmp_path / "tls", names=NAMES, now=NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()}
    assert modes == {"authority.key": 0o600, "authority.pem": 0o644, "server.key": 0o600, "server.pem": 0o644}


def test_second_start_changes_nothing(tmp_path: Path) -> None:
    one = made(tmp_path, names=NAMES, now=NOW)
    before = contents(tmp_path)
    assert made(tmp_path, names=NAMES[::-1], now=after(1)).fingerprint == one.fingerprint
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("names", "days"),
    [((*NAMES, "otra.example.org"), 1), (NAMES, SERVER_DAYS - RENEW_DAYS + 1), (NAMES, SERVER_DAYS + 5)],
)
def test_certificate_is_renewed_for_other_names_or_in_time_and_telephones_notice_nothing(
    tmp_path: Path, names: tuple[str, ...], days: int
) -> None:
    one = made(tmp_path, names=NAMES, now=NOW)
    before = contents(tmp_path)
    two = made(tmp_path, names=names, now=after(days))
    assert two.fingerprint == one.fingerprint
    assert two.ends > one.ends
    assert contents(tmp_path)["authority.pem"] == before["authority.pem"]
    assert contents(tmp_path)["server.pem"] != before["server.pem"]


def test_authority_that_is_nearly_over_is_replaced_and_what_it_signed_with_it(tmp_path: Path) -> None:
    one = made(tmp_path, names=NAMES, now=NOW)
    two = made(tmp_path, names=NAMES, now=after(AUTHORITY_DAYS - 1))
    assert two.fingerprint != one.fingerprint
    read_certificate(two.certificate).verify_directly_issued_by(read_certificate(tmp_path / "authority.pem"))


def test_certificate_never_outlives_the_authority_that_signed_it(tmp_path: Path) -> None:
    made(tmp_path, names=NAMES, now=NOW)
    late = made(tmp_path, names=NAMES, now=after(AUTHORITY_DAYS - RENEW_DAYS - 1))
    assert late.ends == read_certificate(tmp_path / "authority.pem").not_valid_after_utc


@pytest.mark.parametrize("lost", ["server.pem", "server.key"])
def test_half_that_is_lost_is_made_anew(tmp_path: Path, lost: str) -> None:
    made(tmp_path, names=NAMES, now=NOW)
    (tmp_path / lost).unlink()
    again = made(tmp_path, names=NAMES, now=NOW)
    assert given(again.certificate, key=again.key, now=NOW).names == NAMES


def test_key_or_certificate_of_somebody_else_is_not_kept(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    made(mine, names=NAMES, now=NOW)
    made(other, names=NAMES, now=NOW)
    for name in ("server.key", "server.pem"):
        (mine / name).write_bytes((other / name).read_bytes())
        found = made(mine, names=NAMES, now=NOW)
        read_certificate(found.certificate).verify_directly_issued_by(read_certificate(mine / "authority.pem"))
        assert given(found.certificate, key=found.key, now=NOW).ends == found.ends


@pytest.mark.parametrize("name", ["authority.pem", "authority.key", "server.pem", "server.key"])
@pytest.mark.parametrize("damage", [b"", b"\x00\xff binary", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_damaged_file_is_named(tmp_path: Path, name: str, damage: bytes) -> None:
    made(tmp_path, names=NAMES, now=NOW)
    (tmp_path / "server.pem").write_bytes((tmp_path / "server.pem").read_bytes())
    (tmp_path / name).write_bytes(damage)
    if name == "authority.key":
        (tmp_path / "server.pem").unlink()
    with pytest.raises(CertificateUnusable, match=name):
        made(tmp_path, names=NAMES, now=NOW)


def own(folder: Path, *, since: datetime, until: datetime, key_type: str = "rsa") -> Certificate:
    """An organisation's certificate without alternative names, as old ones are."""
    key = rsa.generate_private_key(65537, 2048) if key_type == "rsa" else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "central")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    certificate = builder.serial_number(1).not_valid_before(since).not_valid_after(until).sign(key, hashes.SHA256())
    folder.mkdir()
    (folder / "own.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "own.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return given(folder / "own.pem", key=folder / "own.key", now=NOW)


@pytest.mark.parametrize("key_type", ["rsa", "ec"])
def test_certificate_of_the_organisation_is_taken_as_it_is(tmp_path: Path, key_type: str) -> None:
    found = own(tmp_path / "a", since=after(-1), until=after(1), key_type=key_type)
    assert (found.authority, found.names, found.ends) == (None, (), after(1))


def test_certificate_that_does_not_hold_now_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CertificateUnusable, match="ended on 2026-11-20"):
        own(tmp_path / "old", since=after(-9), until=after(-1))
    with pytest.raises(CertificateUnusable, match="does not hold before 2026-11-22"):
        own(tmp_path / "new", since=after(1), until=after(9))


def test_key_that_is_of_another_certificate_missing_or_locked_is_refused(tmp_path: Path) -> None:
    mine = own(tmp_path / "a", since=after(-1), until=after(1))
    other = own(tmp_path / "b", since=after(-1), until=after(1))
    with pytest.raises(CertificateUnusable, match="is not the key of"):
        given(mine.certificate, key=other.key, now=NOW)
    with pytest.raises(CertificateUnusable, match="cannot be read: No such file"):
        given(mine.certificate, key=tmp_path / "none", now=NOW)
    with pytest.raises(CertificateUnusable, match="cannot be read"):
        given(tmp_path / "none", key=mine.key, now=NOW)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    with pytest.raises(CertificateUnusable, match="has a password"):
        given(mine.certificate, key=locked, now=NOW)
