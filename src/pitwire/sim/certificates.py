"""A certificate authority of this machine's own, for clients that refuse plain sockets.

House rules: keys are made afresh and by the system's own chance, never from a seed; the private
keys stay in memory, but for the moment in which the TLS library reads one from a file.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pitwire.model.clock import SECOND

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
VALID_DAYS = 90
_SLACK = timedelta(days=1)
"""How far a client's clock may be behind ours."""
_AUTHORITY = "pitwire simulated venue"


class LocalAuthority(NamedTuple):
    """What a client has to trust, and what the venue shows it."""

    pem: bytes
    """The authority's certificate, in PEM: what `SSL_CERT_FILE` and the like point at."""
    server: ssl.SSLContext
    """For `serve(world, ssl=...)`."""

    def client(self) -> ssl.SSLContext:
        """A context that trusts this authority and nobody else."""
        return ssl.create_default_context(cadata=self.pem.decode())


def local_authority(now: int, hosts: Sequence[str] = LOCAL_HOSTS) -> LocalAuthority:
    """An authority and a certificate for `hosts` (names or addresses); `now` in ns."""
    today = datetime.fromtimestamp(now / SECOND, UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _signed(root_key, _AUTHORITY, root_key, None, hosts=(), today=today)
    leaf = _signed(key, hosts[0], root_key, root, hosts=hosts, today=today)
    chain = leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as place:  # readable by this user alone
        path = Path(place, "server.pem")
        path.write_bytes(secret + chain)
        context.load_cert_chain(path)
    return LocalAuthority(root.public_bytes(Encoding.PEM), context)


def _signed(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    by: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    *,
    hosts: Sequence[str],
    today: datetime,
) -> x509.Certificate:
    """The certificate of `key`; with an `issuer` a server's, without one an authority's own."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    is_root = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - _SLACK)
        .not_valid_after(today + timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=0 if is_root else None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), False)
        .add_extension(_usage(is_root=is_root), True)
    )
    if not is_root:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False
        ).add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), False)
    return builder.sign(by, hashes.SHA256())


def _usage(*, is_root: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_root,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_root,
        crl_sign=is_root,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        found: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return x509.DNSName(host)
    return x509.IPAddress(found)
