"""The product in small: three customers and staff at one pool of four nodes in two fabric groups."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from billing.models import Budget
from leasing.models import NodeLimit
from leasing.provisioners import provisioner_for
from leasing.provisioners.fake import Fake
from marketplace.models import Node, PlanKind
from marketplace.money import MICROS
from tests import factories
from tests.billing.conftest import funded
from tests.bookings import notes
from tests.bookings.desk import Desk
from tests.bookings.notes import KEPT, SECOND, Customer
from tests.factories import DAY, NOON

BEGIN = NOON + 29 * DAY  # the last day of a month: windows reach into the next
CUSTOMERS = (
    Customer(100_000 * MICROS),
    Customer(100_000 * MICROS),
    Customer(
        700 * MICROS,
        most_nodes=3,
        budgets=(notes.Budget("", 500 * MICROS), notes.Budget("lab", 150 * MICROS)),
    ),
)
POOR = 2  # who can run out of money, has budgets, and may have three nodes at once
NAMES = ("Acme Robotics", "Borealis Labs", "Corvid Compute")

RESERVED: Mapping[str, Any] = {
    "hold_seconds": KEPT // SECOND,
    "cancel_refunds": [[0, 45], [3 * 3600, 70], [12 * 3600, 100]],
    "return_refund_percent": 55,
    "resale_percent": 40,
}


class World:
    """Made anew for each life. Nobody but `now` moves the clock."""

    def __init__(self) -> None:
        fake = provisioner_for("fake")
        assert isinstance(fake, Fake)
        fake.world.reset()
        self.now: datetime = BEGIN
        pool = factories.a_pool(nodes=0)
        groups = {factories.a_node(pool, fabric_group=group).pk: group for group in ("east", "west", "east", "west")}
        self.on_demand = factories.an_offer(pool)
        self.reserved = factories.an_offer(pool, factories.a_plan(PlanKind.RESERVED, **RESERVED))
        self.customers = [
            funded(customer.micros / MICROS, name) for customer, name in zip(CUSTOMERS, NAMES, strict=True)
        ]
        self.desk = Desk(groups, CUSTOMERS)
        for customer, known in zip(self.customers, CUSTOMERS, strict=True):
            factories.a_key(customer)
            NodeLimit.objects.create(organization=customer, nodes=known.most_nodes, reason="For tests.")
            for budget in known.budgets:
                times = {"created_at": NOON, "changed_at": NOON, "changed_by": "user:us_tests"}
                Budget.objects.create(
                    organization=customer, project=budget.project, limit_micros=budget.micros, **times
                )
        factories.an_image()

    def nodes(self) -> list[Node]:
        """All of them, as they are now."""
        return list(Node.objects.order_by("pk"))
