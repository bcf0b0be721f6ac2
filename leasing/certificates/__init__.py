"""What a tenant who left may take along: how its nodes were wiped, as a signed JSON file and as a PDF."""

from leasing.certificates.document import Document, NoCertificate, check_words, document_of, why_missing
from leasing.certificates.files import File, json_file, pdf_file
from leasing.certificates.signing import UNAVAILABLE, KeyMissing, NotGenuine, PublicKey, public_key, public_keys, verify

__all__ = [
    "UNAVAILABLE",
    "Document",
    "File",
    "KeyMissing",
    "NoCertificate",
    "NotGenuine",
    "PublicKey",
    "check_words",
    "document_of",
    "json_file",
    "pdf_file",
    "public_key",
    "public_keys",
    "verify",
    "why_missing",
]
