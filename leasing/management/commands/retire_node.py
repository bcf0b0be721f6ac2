"""`manage.py retire_node`: a host out of stock, for good."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.clock import now
from leasing.operations.enrolment import NodeInUse, retire
from marketplace.models import Node


class Command(BaseCommand):
    """Refuses while somebody is on the node or has booked it. Its name may be enrolled again."""

    help = "Take a node out of stock for good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="the node's name, such as macon-h100x8-9001")

    def handle(self, *args: Any, **options: Any) -> None:
        node = Node.objects.filter(name=options["name"]).first()
        if node is None:
            raise CommandError(f"--name: there is no node {options['name']!r}.")
        try:
            retire(node=node, actor="system:retire_node", now=now())
        except NodeInUse as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Retired {options['name']} ({node.public_id}).")
