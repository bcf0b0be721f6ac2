"""`manage.py enrol`: hosts into stock, one by its options or many from a file, watched until they have passed."""

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.clock import now
from leasing.forms.enrolment import NewEnrolment
from leasing.forms.enrolment_file import DEFAULTS, BadFile, take_file
from leasing.models import Enrolment
from leasing.operations.enrolment import keep_image
from leasing.states import ENROLMENT_FAILED_TWIN, EnrolmentState
from leasing.tasks import nudge_sites
from marketplace.models import NodeType, Offer

ACTOR = "system:enrol"
LOOK_EVERY = 0.5  # seconds
OPTIONS = {
    "site": "slug of the site whose worker reaches the host",
    "name": "the node's name, such as macon-h100x8-9001",
    "provisioner": "podman unless said otherwise",
    "address": "IP address or host name",
    "port": "of SSH; 22 unless said otherwise",
    "user": "root unless said otherwise",
    "fingerprint": 'of its host key, "SHA256:…"; left out: whichever answers first',
    "node_type": "slug; left out: whatever it turns out to be",
    "plan": "slug; on_demand unless said otherwise",
    "dollars": "per node-hour; left out: the offer's price stays",
    "bmc_address": "of its Redfish service, such as https://10.4.1.17",
    "bmc_user": "of the BMC",
}


class Command(BaseCommand):
    """Asks for enrolments and waits for the site's worker. The exit status is 0 only if every host has passed."""

    help = "Enrol hosts. Prints each step as it comes, and at the end node, offer and state of each as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, words in OPTIONS.items():
            parser.add_argument(f"--{name.replace('_', '-')}", help=words)
        parser.add_argument(
            "--csv", type=Path, metavar="FILE", help="many hosts; columns are named as in the page's form"
        )
        first = parser.add_argument_group("the first login; with neither, the operator's key opens the host already")
        first.add_argument("--password-stdin", action="store_true", help="the password is the first line of the input")
        first.add_argument("--key-file", type=Path, help="a private key without a passphrase")
        parser.add_argument("--bmc-password-file", type=Path, help="a file with the BMC's password alone")
        parser.add_argument("--no-wait", action="store_true", help="only ask, and end")
        kind = parser.add_argument_group("a node type without GPUs that does not exist yet, as --node-type")
        for figure in ("vcpus", "memory-gb", "nvme-gb", "network-gbps", "power-w"):
            kind.add_argument(f"--{figure}", type=int)
        image = parser.add_argument_group("an image that the host brings along")
        image.add_argument("--image-slug", metavar="SLUG")
        image.add_argument("--image-reference", help="what podman calls it on the host")
        image.add_argument("--image-digest", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["image_slug"]) != bool(options["image_reference"]):
            raise CommandError("Say both --image-slug and --image-reference, or neither.")
        if options["vcpus"]:
            _make_node_type(options)
        wanted = self._from_file(options["csv"]) if options["csv"] else [self._one(options)]
        if options["image_slug"]:
            keep_image(slug=options["image_slug"], reference=options["image_reference"], digest=options["image_digest"])
        nudge_sites()
        if not options["no_wait"]:
            self._watch(wanted)
        self.stdout.write(json.dumps([_told(enrolment) for enrolment in wanted]))
        failed = [one for one in wanted if one.state in {EnrolmentState.FAILED, EnrolmentState.WITHDRAWN}]
        if failed:
            raise CommandError("\n".join(f"{one.name} is {one.state}. {one.detail}".strip() for one in failed))

    def _one(self, options: dict[str, Any]) -> Enrolment:
        given = {name: options[name] for name in OPTIONS if options[name] is not None}
        secrets = {
            "password": sys.stdin.readline().rstrip("\n") if options["password_stdin"] else "",
            "private_key": _read(options["key_file"], "--key-file"),
            "bmc_password": _read(options["bmc_password_file"], "--bmc-password-file").strip("\n"),
        }
        form = NewEnrolment({**DEFAULTS, **given, **secrets})
        enrolment = form.request(actor=ACTOR, now=now())
        if enrolment is None:
            errors = form.errors.items()
            raise CommandError("\n".join(f"--{name.replace('_', '-')}: {said[0]}" for name, said in errors))
        return enrolment

    def _from_file(self, path: Path) -> list[Enrolment]:
        try:
            return take_file(_read(path, "--csv"), actor=ACTOR, now=now())
        except BadFile as error:
            raise CommandError(f"{path}: nothing was taken.\n{error}") from error

    def _watch(self, wanted: Sequence[Enrolment]) -> None:
        """Print each step until all are over: each state has a deadline, so that this ends."""
        said: dict[int, str] = {}
        while True:
            for one in wanted:
                one.refresh_from_db()
                words = f"{one.name}: {one.state}{f', {one.step}' if one.step else ''}"
                words += f" ({one.detail})" if one.detail else ""
                if said.get(one.pk) != words:
                    said[one.pk] = words
                    self.stderr.write(words)
            if all(one.state not in ENROLMENT_FAILED_TWIN for one in wanted):
                return
            time.sleep(LOOK_EVERY)


def _read(path: Path | None, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8") if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{option}: {path} cannot be read: {error}.") from error


def _make_node_type(options: dict[str, Any]) -> None:
    figures = ("vcpus", "memory_gb", "nvme_gb", "network_gbps", "power_w")
    missing = [f"--{name.replace('_', '-')}" for name in ("node_type", *figures) if not options[name]]
    if missing:
        raise CommandError(f"A new node type also needs {', '.join(missing)}.")
    words = {
        "name": f"CPU only, {options['vcpus']} vCPU{'s' if options['vcpus'] > 1 else ''}",
        "cpu": "as enrolled",
        "gpu_count": 0,
    }
    made = {**words, **{figure: options[figure] for figure in figures}}
    NodeType.objects.get_or_create(slug=options["node_type"], defaults=made)


def _told(enrolment: Enrolment) -> dict[str, Any]:
    node = enrolment.node
    offer = Offer.objects.filter(pool=node.pool, plan=enrolment.plan).first() if node else None
    return {
        "enrolment": enrolment.public_id,
        "name": enrolment.name,
        "state": enrolment.state,
        "node": node.public_id if node else None,
        "offer": offer.public_id if offer else None,
    }
