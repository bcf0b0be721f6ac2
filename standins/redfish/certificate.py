"""The controller's own certificate, signed by itself as most are. Made once and kept."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class Files:
    """Where certificate and key are, and the certificate's SHA-256 in hexadecimal digits."""

    certificate: Path
    key: Path
    fingerprint: str


def own(state: Path) -> Files:
    """The certificate for 127.0.0.1 in the directory."""
    files = state / "certificate.pem", state / "key.pem"
    if not files[0].exists():
        key = ec.generate_private_key(ec.SECP256R1())
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        files[0].write_bytes(_signed(key).public_bytes(Encoding.PEM))
    return Files(*files, x509.load_pem_x509_certificate(files[0].read_bytes()).fingerprint(SHA256()).hex())


def _signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name, begins = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "BMC")]), datetime.now(UTC)
    building = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    building = building.not_valid_before(begins - timedelta(days=1)).not_valid_after(begins + timedelta(days=3650))
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    return building.add_extension(address, critical=False).sign(key, SHA256())
