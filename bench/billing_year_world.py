"""Organizations that live by the month: some of them do something at each of a month's moments, and sweeps follow."""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from accounts.models import Organization, User
from bench import billing_books, billing_sweeps
from bench.billing_life import Life
from bench.billing_standin import Standin
from bench.search_world import a_catalogue
from billing import promising
from billing.invariants import broken
from billing.models import (
    BankTransfer,
    BillingMode,
    CardInvoice,
    CreditNote,
    Dispute,
    Invoice,
    Payment,
    PaymentState,
    Posting,
    Refund,
    RuleCredit,
)
from billing.queries.months import month_of, next_month, start_of
from billing.queries.rebuilt import owed
from leasing.models import Lease, Outage
from marketplace.models import Offer, PlanKind
from marketplace.money import MICROS_PER_CENT

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
METERED, INVOICED = 0.04, 0.16  # of the organizations; the others pay before
# Days and hours of a month: clocks change on 14 and 28 March, 31 October and 7 November; the last is before its end.
MOMENTS = ((5, 9), (7, 4), (14, 5), (21, 15), (-1, 22), (0, 21))
# What happens beside paying in and ordering, by weight.
REST = {
    "refund": 4, "settle_refunds": 1, "dispute": 3, "decide": 2, "gift": 4, "adjust": 2, "transfer": 8,
    "credit_note": 4, "extend": 6, "shorten": 4, "hand_back": 6, "outage": 8, "outage_corrected": 4, "fault": 2,
    "save_card": 4, "charge": 4, "automatic": 2,
}  # fmt: skip


class World:
    """All of them at one moment."""

    def __init__(self, standin: Standin, *, organizations: int, active: float, begin: datetime, seed: int) -> None:
        self.standin, self.now, self.chance = standin, begin, random.Random(seed)
        self.acting = max(1, round(active * organizations))
        self.steps = Counter[str]()
        standin.at(begin)
        a_catalogue(nodes=max(60, organizations), sites=5, now=begin)
        promising.load(now=begin)
        offers = Offer.objects.filter(listed=True, pool__nodes__isnull=False).distinct().order_by("pk")
        on_demand, reserved = (list(offers.filter(plan__kind=kind)) for kind in (PlanKind.ON_DEMAND, PlanKind.RESERVED))
        staff = (User.objects.create_user("a@example.com"), User.objects.create_user("b@example.com"))
        self.lives = [
            Life(
                Organization.objects.create(name=f"Customer {number}"),
                standin,
                self.chance.choice(on_demand),
                self.chance.choice(reserved),
                staff,
            )
            for number in range(organizations)
        ]
        self._begin()

    def _begin(self) -> None:
        metered, invoiced = (max(1, round(len(self.lives) * share)) for share in (METERED, INVOICED))
        for life in self.lives[:metered]:
            life.begin(BillingMode.METERED, self.now)
            life.do("save_card", 0, self.now)
        for life in self.lives[metered : metered + invoiced]:
            life.begin(BillingMode.INVOICED, self.now)
        for life in self.lives[metered + invoiced :]:
            life.do("top_up", 9, self.now)
        for _ in range(6):  # customers, cards, the meter, its price, subscriptions
            self._sweep()

    def live_month(self) -> None:
        """From its first moment to a few days behind its end, when it is closed and nothing of it is open."""
        begin = start_of(month_of(self.now))
        end = start_of(next_month(month_of(begin)))
        for day, hour in MOMENTS:
            self._moment((end + (day - 1) * DAY if day < 1 else begin + (day - 1) * DAY) + hour * HOUR)
        self.standin.heal()
        # A call of which nobody knows whether it was made is looked for three days: by then nothing is open any more.
        for hours in (2, 3, 30, 44):
            self._to(max(self.now, end) + hours * HOUR)
            self._sweep()
            billing_sweeps.reconcile(self.now)
            billing_sweeps.tie_out(self.now)

    def differences(self) -> Mapping[str, int]:
        """How far the books are apart where all months before this one are closed; whole cents, a begun one counts."""
        until = start_of(month_of(self.now))
        apart = {
            "ledger and invoices apart": billing_books.off_micros(until=until),
            "ledger and stand-in apart": billing_books.off_at_processor_micros(self.standin),
            "ledger and the stand-in's meter apart": billing_books.off_at_meter_micros(self.standin),
        }
        return {what: -(-micros // MICROS_PER_CENT) for what, micros in apart.items()} | {
            "usage that a second count finds otherwise": self._recounted(until - DAY),
            "open ends": len(list(billing_books.open_ends())),
        }

    def _recounted(self, month: datetime) -> int:
        return sum(
            row.differs for life in self.lives for row in owed(organization=life.organization, month=month_of(month))
        )

    def broken(self) -> list[str]:
        """Rules of the product that do not hold."""
        return list(broken(now=self.now))

    def lived(self) -> Mapping[str, int]:
        """How much has happened."""
        paid = Payment.objects.filter(state=PaymentState.PAID)
        refused = sum(number for step, number in self.steps.items() if step.startswith("refused"))
        return {
            "steps": self.steps.total() - refused,
            "steps that were refused": refused,
            "leases": Lease.objects.count(),
            "outages": Outage.objects.count(),
            "credits for promises": RuleCredit.objects.count(),
            "top-ups paid": paid.count(),
            "refunds": Refund.objects.count(),
            "disputes": Dispute.objects.count(),
            "months paid by card": CardInvoice.objects.count(),
            "transfers": BankTransfer.objects.count(),
            "credit notes": CreditNote.objects.count(),
            "invoices": Invoice.objects.count(),
            "postings": Posting.objects.count(),
        }

    def _moment(self, at: datetime) -> None:
        """Some do something; hours later what runs on demand is given back, and all is charged and settled."""
        self._to(at)
        acting = self.chance.sample(self.lives, self.acting)
        for life in acting:
            self._do(life, "order_ahead" if self.chance.random() < 0.6 else "order")
        for hours in (1, 3):
            self._to(at + hours * HOUR)
            billing_sweeps.leases(self.now)
            for life in acting:
                if self.chance.random() < 0.4:
                    self._do(life, self.chance.choices(list(REST), list(REST.values()))[0])
            self._top_up(acting)
        for life in acting:
            life.return_all(self.now, agreed=False)
        for hours in (7, 8):
            self._to(at + hours * HOUR)
            self._sweep()

    def _top_up(self, acting: list[Life]) -> None:
        for life in acting:
            if life.mode == BillingMode.PREPAID and self.chance.random() < 0.2:
                self._do(life, "top_up")

    def _do(self, life: Life, step: str) -> None:
        life.do(step, self.chance.randrange(2000), self.now)
        self.steps[f"refused {step}" if life.refused else step] += 1

    def _to(self, moment: datetime) -> None:
        self.now = moment
        self.standin.at(moment)

    def _sweep(self) -> None:
        for sweep in billing_sweeps.OFTEN:
            sweep(self.now)
