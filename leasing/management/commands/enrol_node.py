"""`manage.py enrol_node`: a host into stock and on sale."""

import json
import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

import asyncssh
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.clock import now
from leasing.operations.enrolment import NodeElsewhere, NodeInUse, NoPrice, Reach, enrol, keep_image
from marketplace.models import GPUModel, NodeType, Plan, Provisioner, Site

ACTOR = "system:enrol_node"
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Command(BaseCommand):
    """Safe to run again: what is so already stays."""

    help = "Put a host into stock and on sale. Prints node, offer, node type and image as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="the node's name, such as macon-h100x8-9001")
        parser.add_argument("--site", required=True, metavar="SLUG")
        parser.add_argument("--provisioner", required=True, choices=Provisioner.values)
        reach = parser.add_argument_group("where the site's worker reaches it")
        reach.add_argument("--address", required=True)
        reach.add_argument("--port", type=port, default=22)
        reach.add_argument("--user", default="root")
        reach.add_argument("--host-key", required=True, type=host_key, help='its public key, "ssh-ed25519 AAAA…"')
        sale = parser.add_argument_group("how it is sold")
        sale.add_argument("--plan", default="on_demand", metavar="SLUG")
        sale.add_argument("--micros-per-node-hour", type=amount, help="left out: the offer's price stays as it is")
        kind = parser.add_argument_group("what it is; the figures are for a node type that does not exist yet")
        kind.add_argument("--node-type", required=True, type=slug, metavar="SLUG")
        kind.add_argument("--cpu-only", action="store_true", help="a new node type has no GPUs")
        kind.add_argument("--gpu-model", metavar="SLUG")
        kind.add_argument("--gpus", type=int, default=1)
        kind.add_argument("--vcpus", type=int, default=2)
        kind.add_argument("--memory-gb", type=int, default=1)
        kind.add_argument("--nvme-gb", type=int, default=1)
        kind.add_argument("--network-gbps", type=int, default=1)
        kind.add_argument("--power-w", type=int, default=100)
        image = parser.add_argument_group("an image that its host brings along")
        image.add_argument("--image-slug", type=slug, metavar="SLUG")
        image.add_argument("--image-reference", help="what podman calls it on the host")
        image.add_argument("--image-digest", default="")

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["image_slug"]) != bool(options["image_reference"]):
            raise CommandError("Say both --image-slug and --image-reference, or neither.")
        try:
            node, offer = enrol(
                name=options["name"],
                site=_known(Site, "--site", options["site"]),
                node_type=_node_type(options),
                provisioner=options["provisioner"],
                reach=Reach(**{part: options[part] for part in ("address", "port", "user", "host_key")}),
                plan=_known(Plan, "--plan", options["plan"]),
                micros_per_node_hour=options["micros_per_node_hour"],
                actor=ACTOR,
                now=now(),
            )
        except (NodeElsewhere, NodeInUse, NoPrice) as error:
            raise CommandError(str(error)) from error
        if slug_ := options["image_slug"]:
            keep_image(slug=slug_, reference=options["image_reference"], digest=options["image_digest"])
        told = {"node": node.public_id, "offer": offer.public_id, "node_type": options["node_type"], "image": slug_}
        self.stdout.write(json.dumps(told))


def _known(model: Any, option: str, wanted: str) -> Any:
    row = model.objects.filter(slug=wanted).first()
    if row is None:
        known = ", ".join(model.objects.order_by("slug").values_list("slug", flat=True)) or "none: run load_catalogue"
        raise CommandError(f"{option}: there is no {wanted!r}. There are: {known}.")
    return row


def _node_type(options: dict[str, Any]) -> NodeType:
    """The node type of this name; a new one from the given figures."""
    found = NodeType.objects.filter(slug=options["node_type"]).first()
    if found is not None:
        return found
    if not options["cpu_only"] and not options["gpu_model"]:
        raise CommandError(f"--node-type: {options['node_type']!r} is new, so say --gpu-model SLUG or --cpu-only.")
    gpu = None if options["cpu_only"] else _known(GPUModel, "--gpu-model", options["gpu_model"])
    if gpu and not 1 <= options["gpus"] <= 8:
        raise CommandError("--gpus: a node has 1 to 8.")
    figures = ("vcpus", "memory_gb", "nvme_gb", "network_gbps", "power_w")
    return NodeType.objects.create(
        slug=options["node_type"],
        name=f"{options['gpus']} × {gpu.name}" if gpu else f"CPU only, {options['vcpus']} vCPUs",
        gpu_model=gpu,
        gpu_count=options["gpus"] if gpu else 0,
        cpu="as enrolled",
        **{figure: options[figure] for figure in figures},
    )


def host_key(text: str) -> str:
    """An OpenSSH public key line, without its comment."""
    try:
        asyncssh.import_public_key(text)
    except asyncssh.KeyImportError as error:
        raise ArgumentTypeError('not an OpenSSH public key; ssh-keyscan HOST prints it, "ssh-ed25519 AAAA…"') from error
    return " ".join(text.split()[:2])


def slug(text: str) -> str:
    """A short name in an address."""
    if not SLUG.fullmatch(text):
        raise ArgumentTypeError("use up to 40 lower-case letters, digits and hyphens")
    return text


def port(text: str) -> int:
    """A TCP port."""
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def amount(text: str) -> int:
    """Micro-dollars: 2490000 is $2.49."""
    if not text.isdigit() or len(text) > 12:
        raise ArgumentTypeError("whole micro-dollars per node-hour, such as 2490000 for $2.49")
    return int(text)
