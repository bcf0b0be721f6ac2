"""The course of one billing life: its moments and chapters, its end, and what its books say against each other."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F
from hypothesis import event

from bench import billing_books, billing_sweeps
from bench.billing_life import ACTOR, Life
from bench.billing_messages import AHEAD, EARLY, NEVER
from bench.billing_standin import Standin
from bench.billing_sweeps import Sweep
from billing import budgets, capping, promising
from billing.invariants import broken
from billing.models import (
    BillingMode,
    CardInvoice,
    Dispute,
    Forgery,
    GatewayCall,
    GatewayEvent,
    MeteredSubscription,
    Payment,
    Posting,
    Promise,
    Refund,
    RuleCredit,
    SavedCard,
    Usage,
    WriteOff,
)
from billing.queries import read, readable
from billing.queries.months import month_of, next_month, start_of
from billing.queries.rebuilt import owed
from billing.sending import KEY_LASTS, OPEN
from leasing.models import Interruption, Lease, Machine, Transition
from leasing.states import LEASE_OVER, MACHINE_AT_REST, LeaseState
from marketplace.models import PlanKind
from tests import factories
from tests.billing.conftest import HOUR
from tests.leasing.interrupted import TERMS

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
MICROS_PER_NODE_HOUR = 15_000_007  # no whole number of anything in a second
PASSES = (MINUTE, 7 * MINUTE, HOUR, HOUR, 3 * HOUR, 9 * HOUR)
LONG = 9 * DAY
# The chapters of every life, and by which signs each is known to have happened.
SIGNS = {
    "interrupted": ("interrupted", "credited for a short notice"),
    "capped": ("refused for a budget", "paused for a budget"),
    "forgotten": ("looked for, its key forgotten",),
    "heard": ("message kept", "forged", "doubled", "reordered", "late", NEVER, EARLY, AHEAD),
    "given_up": ("written off",),
}
ANYBODY = ("interrupted", "capped", "forgotten", "heard")
CHAPTERS = {
    BillingMode.PREPAID: ANYBODY,
    BillingMode.METERED: ANYBODY,
    BillingMode.INVOICED: (*ANYBODY, "given_up"),
}


def standing() -> set[str]:
    """How all stands that the processor can change: whatever it tells of."""
    models = (Posting, Payment, Refund, Dispute, SavedCard, CardInvoice, MeteredSubscription)
    return {f"{model.__name__} {row}" for model in models for row in model.objects.values()}


@dataclass(frozen=True)
class Moment:
    """Something happens; the number says which of its kinds."""

    what: str
    number: int


class Course:
    """The course of one life, from an empty processor to books that are compared."""

    def __init__(self, standin: Standin, mode: BillingMode, begin: datetime) -> None:
        self.standin, self.mode, self.now = standin, mode, begin
        standin.empty()
        standin.at(begin)
        promising.load(now=begin)
        pool = factories.a_pool(nodes=3)
        factories.an_image()
        plans = (factories.a_plan(), factories.a_plan(PlanKind.RESERVED, return_refund_percent=75, resale_percent=20))
        on_demand, reserved = (factories.an_offer(pool, plan, MICROS_PER_NODE_HOUR) for plan in plans)
        staff = (factories.a_user(is_staff=True), factories.a_user(is_staff=True))
        surplus = factories.an_offer(pool, factories.a_plan(PlanKind.SURPLUS, **TERMS), MICROS_PER_NODE_HOUR // 2)
        self.life = Life(factories.an_organization(), standin, on_demand, reserved, staff, surplus=surplus)
        self.refused = Counter[str]()
        if mode == BillingMode.PREPAID:
            self.life.do("gift", 3000, begin)
        else:
            self.life.begin(mode, begin)
        if mode == BillingMode.METERED:
            self.life.do("save_card", 0, begin)
            self.subscribe()

    def subscribe(self) -> None:
        """The customer, the card, the meter with its price and the subscription: each sweep makes one of them."""
        for _ in range(5):
            for sweep in (billing_sweeps.settle, billing_sweeps.bill, billing_sweeps.send):
                sweep(self.now)
            if MeteredSubscription.objects.exclude(reference=None).exists():
                return
        raise AssertionError("no subscription was made")

    def run(self, steps: list[Moment]) -> None:
        for step in steps:
            self.happen(step)
            connection.check_constraints()
        self.end()
        assert self.differences() == []
        assert self.unheard() == []

    def happen(self, step: Moment) -> None:
        if step.what == "pass":
            self.pass_time(PASSES[step.number % len(PASSES)])
        elif step.what == "long":
            self.life.return_all(self.now)  # what runs is charged hour by hour, which takes its time
            billing_sweeps.leases(self.now)
            over = start_of(next_month(month_of(self.now))) + 2 * HOUR
            self.pass_time((LONG, over - self.now)[step.number % 2])
        elif step.what == "sweep":
            sweeps = billing_sweeps.SWEEPS
            for place in range(1 + step.number % 5):
                sweeps[(step.number + 3 * place) % len(sweeps)](self.now)
        elif step.what in CHAPTERS[self.mode]:
            self.solvent()
            chapter: Callable[[int], None] = getattr(self, step.what)
            chapter(step.number)
        else:
            self.do(step.what, step.number)

    def do(self, what: str, number: int = 0) -> None:
        self.life.do(what, number, self.now)
        if self.life.refused:
            self.refused[self.life.refused] += 1
            event(f"{what} was refused: {self.life.refused}")

    # -- Chapters ------------------------------------------------------------------------------------------------------
    def solvent(self) -> None:
        """Who pays before has something for what follows, and nothing is in its way."""
        if self.mode == BillingMode.PREPAID:
            self.do("gift", 1998)
        self.life.return_all(self.now)
        self.pass_time(MINUTE)
        for budget in budgets.active(organization=self.life.organization):
            budgets.remove(budget=budget, actor=ACTOR, now=self.now)

    def interrupted(self, number: int) -> None:
        """Surplus, for an hour; then it is needed elsewhere, and its tenant is ready before he must be, or is not."""
        self.do("order_surplus", number)
        self.pass_time(HOUR)
        self.do("interrupt", number)
        self.pass_time(7 * MINUTE)
        self.do("answer", 1 if number % 4 == 1 else 4)
        self.pass_time(2 * HOUR)
        billing_sweeps.meter(self.now)
        billing_sweeps.credit(self.now)
        self.do("answer", 2)
        self.pass_time(HOUR)

    def capped(self, number: int) -> None:
        """A budget is reached: what runs is paused and nothing is ordered, until there is more of it."""
        self.do("order", number)
        self.pass_time(MINUTE)  # it runs
        self.pass_time(HOUR)
        billing_sweeps.meter(self.now)
        self.do("budget", 0)
        billing_sweeps.ladder(self.now)
        self.do("order", number)
        self.pass_time(HOUR)
        self.do("budget", 199)
        self.do("budget", 199 + number % 2)  # more; of two tries one is a removal
        billing_sweeps.ladder(self.now)

    def forgotten(self, number: int) -> None:
        """What was asked of the processor is done there, no answer comes, and a day later it has forgotten the key."""
        self.standin.fault("", "apply_then_close", 1000)
        self.do("save_card", number)
        self.do("refund", 2)
        billing_sweeps.meter(self.now)
        billing_sweeps.bill(self.now)
        billing_sweeps.send(self.now)
        self.standin.heal()
        self.pass_time(25 * HOUR)
        self.standin.forget_keys()
        billing_sweeps.send(self.now)

    def heard(self, number: int) -> None:
        """Messages come, most of them true: the newest first, and of some only hours later. Each fate is met."""
        for card in range(3):  # each is told of by two messages that matter
            self.do("save_card", card)
        self.pass_time(HOUR + MINUTE)
        self.do("save_card", number)
        self.do("hear", 2 * number + 1)
        billing_sweeps.settle(self.now)

    def given_up(self, number: int) -> None:
        """A month's invoice is not paid, and written off."""
        self.do("order", number)
        self.pass_time(MINUTE)  # it runs
        self.pass_time(HOUR)
        self.happen(Moment("long", 1))
        billing_sweeps.meter(self.now)
        billing_sweeps.close(self.now)
        self.do("write_off", number)

    def signs(self) -> set[str]:
        """What can be seen to have happened."""
        late = F("first_sent_at") + KEY_LASTS
        seen = {
            "interrupted": Interruption.objects.exclude(paused_at=None).exists(),
            "credited for a short notice": RuleCredit.objects.filter(rule__kind=Promise.SHORT_NOTICE).exists(),
            "refused for a budget": self.refused["BudgetExceeded"] > 0,
            "paused for a budget": Transition.objects.filter(
                new=LeaseState.PAUSED, reason=capping.BUDGET_REACHED
            ).exists(),
            "looked for, its key forgotten": GatewayCall.objects.filter(settled_at__gt=late).exists(),
            "message kept": GatewayEvent.objects.exists(),
            "forged": Forgery.objects.exists(),
            "written off": WriteOff.objects.exists(),
        }
        return {sign for sign, happened in seen.items() if happened} | self.life.post.seen()

    # -- Time, and the end ---------------------------------------------------------------------------------------------
    def pass_time(self, length: timedelta) -> None:
        self.now += length
        self.standin.at(self.now)
        open_ones = (Lease.objects.exclude(state__in=LEASE_OVER), Machine.objects.exclude(state__in=MACHINE_AT_REST))
        if any(rows.exists() for rows in open_ones):  # to find nothing takes long, and whole sweeps look anyway
            billing_sweeps.leases(self.now)

    def sweep(self, sweeps: Sequence[Sweep] = billing_sweeps.SWEEPS) -> dict[str, Exception]:
        return {name: error for sweep in sweeps for name, error in sweep(self.now).items()}

    def end(self) -> None:
        """All is given back, what was uncertain gets its days, and months are closed, paid and compared."""
        self.standin.heal()
        self.life.return_all(self.now)
        self.standin.settle_refunds()
        self.standin.decide("won")
        for _ in range(4):
            self.sweep(billing_sweeps.OFTEN)
            self.pass_time(27 * HOUR)
            if not GatewayCall.objects.filter(state__in=OPEN).exists():
                break
        for _ in range(2):
            self.pass_time(start_of(next_month(month_of(self.now))) + 3 * HOUR - self.now)
            self.sweep()
            self.pass_time(HOUR)
            self.sweep(billing_sweeps.OFTEN)
            self.life.pay_all(self.now)
        self.pass_time(DAY)
        self.sweep()
        self.pass_time(DAY)
        assert self.sweep() == {}

    def differences(self) -> list[str]:
        """Whatever any of the books say against each other."""
        found = [*broken(now=self.now), *billing_books.open_ends()]
        until = start_of(month_of(self.now))
        off = {
            "ledger and invoices": billing_books.off_micros(until=until),
            "ledger and processor": billing_books.off_at_processor_micros(self.standin),
            "ledger and meter": billing_books.off_at_meter_micros(self.standin),
        }
        found += [f"{name}: {micros} micro-dollars apart" for name, micros in off.items() if micros]
        return found + self.sliced() + self.recounted()

    def unheard(self) -> list[str]:
        """What no message told of was found by looking: told of it at last, nothing changes."""
        before = standing()
        self.life.post.tell(self.standin.all("event"), self.now)
        failed = [f"{event}: {error}" for event, error in billing_sweeps.settle(self.now).items()]
        return failed + [f"{row} after the last messages" for row in standing() ^ before]

    def sliced(self) -> list[str]:
        """Charged in whatever slices, a lease comes to what it is charged at once in the end."""
        found = []
        for row in readable().filter(lease__organization=self.life.organization):
            at_once, charged = read(row, at=self.now).due_micros, row.charged_micros
            if at_once != charged or row.closed_at is None:
                found.append(f"{row.lease}: {charged} charged, {at_once} at once, closed at {row.closed_at}")
        return found

    def recounted(self) -> list[str]:
        """Each month, and by another way."""
        months = {month_of(used.from_at) for used in Usage.objects.all()}
        rows = [row for month in months for row in owed(organization=self.life.organization, month=month)]
        return [f"{row}" for row in rows if not row.settled or row.differs]
