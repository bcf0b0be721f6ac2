"""A certificate as the two files that are downloaded."""

import hashlib
import json
from dataclasses import dataclass

from leasing.certificates import pdf, signing
from leasing.certificates.document import Document


@dataclass(frozen=True)
class File:
    """What is sent to a browser or a script."""

    name: str
    content_type: str
    content: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Saved under its name, and kept by nobody in between."""
        return {"Content-Disposition": f'attachment; filename="{self.name}"', "Cache-Control": "private, no-store"}


def json_file(document: Document) -> File:
    """
    The signed one.

    :raises KeyMissing: if there is no key to sign with
    """
    return File(f"{document.name}.json", "application/json", signing.envelope(document.part, document.content))


def pdf_file(document: Document) -> File:
    """
    The one for people. It carries the SHA-256 of the signed one, and who signed.

    :raises KeyMissing: if there is no key to sign with
    """
    signed = json_file(document)
    seal = pdf.Seal(
        file=signed.name,
        part=document.part,
        sha256=hashlib.sha256(signed.content).hexdigest(),
        key_id=json.loads(signed.content)["signature"]["key_id"],
    )
    return File(f"{document.name}.pdf", "application/pdf", pdf.render(document, seal))
