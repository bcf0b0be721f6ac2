"""`manage.py verify_certificate FILE`: whether a wipe certificate is ours and unchanged. Needs no database."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from leasing.certificates import KeyMissing, NotGenuine, public_key, public_keys, verify


class Command(BaseCommand):
    """Ends with an error for whatever is no certificate: a changed file, a forged one, a report."""

    help = "Check the signature of a wipe certificate (the JSON file) and say what it proves."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--key", metavar="LINE", help="an OpenSSH public key, instead of those in CERTIFICATE_KEY.pub"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            keys = [public_key(options["key"])] if options["key"] else public_keys()
            found = verify(options["file"].read_bytes(), keys=keys)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        except (KeyMissing, NotGenuine) as error:
            raise CommandError(str(error)) from error
        document = found.get("certificate") or found["report"]
        lease, organization = document["lease"]["id"], document["organization"]["name"]
        if "report" in found:
            raise CommandError(
                f"The signature is ours, but this is a report and no certificate: not every node of lease {lease} of "
                f"{organization} was proven clean at {document['as_of']}."
            )
        nodes = ", ".join(machine["node"]["name"] for machine in document["machines"])
        simulated = " The nodes are simulated." if document["simulated"] else ""
        self.stdout.write(
            f"Genuine. Every node of lease {lease} of {organization} ({nodes}) was proven clean, the last one at "
            f"{document['as_of']}.{simulated} Signed by {found['signature']['key_id']}."
        )
