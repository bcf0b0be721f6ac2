"""
What may happen to an organization's money: each step is drawn by a number, happens at a moment that is given, and does
nothing where the product rightly refuses. The product's sweeps are not steps of a life: see `bench.billing_sweeps`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import Organization, User
from bench.billing_messages import Post, numbered
from bench.billing_standin import Standin
from billing import (
    adjusting,
    automatic,
    budgets,
    cards,
    charging,
    checkout,
    credit_notes,
    granting,
    handing_back,
    limits,
    opening,
    paying,
    payments,
    receivables,
    refunds,
    settlement,
)
from billing.extending import extend
from billing.models import (
    AutoTopUp,
    BillingMode,
    CardInvoice,
    Invoice,
    Payment,
    PaymentState,
    TrustLevel,
)
from billing.paying import Decision
from billing.payments.base import GatewayUnavailable
from billing.queries import refundable_cents
from billing.queries.receivables import creditable_cents, still_open
from leasing import operations
from leasing.models import Interruption, InterruptionCause, Lease, Machine, Outage, OutageCause
from leasing.operations import BookedBehind, CannotInterrupt, NodesTaken, Setup, WindowRefused
from leasing.states import INTERRUPTION_OPEN, InterruptionState, LeaseState
from marketplace.models import Image, Offer

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ACTOR = "user:us_lives"
GOOD = "4242424242424242"
ASKS, DECLINES, LOST, PENDS, FAILS = (
    "4000002760003184", "4000000000000341", "4000000000009987", "4000000000007726", "4000000000005126",
)  # fmt: skip
CARDS = (GOOD, GOOD, GOOD, ASKS, DECLINES, LOST, PENDS, FAILS)
CENTS = (10_00, 25_00, 49_99, 137_41, 500_00)
MICROS = (1_000_000, 7_770_000, -1_230_000, 20_000_000, -40_000_000, 600_000_000)
FAULTS = ("apply_then_500", "apply_then_close", "429", "503", "500", "close", "never_emit", "lock_timeout")
PATHS = ("", "/v1/checkout", "/v1/payment_intents", "/v1/refunds", "/v1/billing", "/v1/customers", "/v1/subscriptions")
# What the product may say to any of these steps, which then changes nothing.
REFUSALS = (
    adjusting.AdjustmentRefused,
    budgets.BudgetExceeded,
    cards.CardNeeded,
    charging.CardGone,
    checkout.InsufficientFunds,
    checkout.QuoteRefused,
    granting.BadGrant,
    limits.NodeLimitReached,
    limits.OrderingBlocked,
    opening.PageOver,
    receivables.NothingOwed,
    refunds.RefundTooLarge,
    BookedBehind,
    CannotInterrupt,
    GatewayUnavailable,
    NodesTaken,
    WindowRefused,
)


@dataclass
class Life:
    """An organization, what it can lease, and the two of our staff who work on it."""

    organization: Organization
    standin: Standin
    on_demand: Offer
    reserved: Offer
    staff: tuple[User, User]
    mode: BillingMode = BillingMode.PREPAID
    surplus: Offer | None = None
    serial: int = 0
    refused: str = ""  # how the last step was refused
    post: Post = field(default_factory=Post)

    def do(self, name: str, n: int, now: datetime) -> None:
        """One step; nothing where it is refused."""
        self.serial, self.refused = self.serial + 1, ""
        try:
            STEPS[name](self, n, now)
        except REFUSALS as refusal:
            self.refused = type(refusal).__name__

    def begin(self, mode: BillingMode, now: datetime) -> None:
        """How it pays, as staff decide."""
        self.mode = mode
        decision = Decision(mode, TrustLevel.TRUSTED, None, "for a life", override=True)
        paying.decide(organization=self.organization, decision=decision, actor=ACTOR, now=now)

    def pay_all(self, now: datetime) -> None:
        """Whatever is owed on invoices by transfer is transferred."""
        for owed in still_open(Invoice.objects.filter(organization=self.organization)):
            self._transfer(owed.open_cents, owed.invoice, now)

    def return_all(self, now: datetime, *, agreed: bool = True) -> None:
        """Nothing is leased any more; without `agreed`, nothing but windows that were agreed."""
        for lease in self._leases(LeaseState.HELD, LeaseState.SCHEDULED, *RUNNING):
            if agreed or lease.ends_at is None:
                handing_back.hand_back(lease=lease, actor=ACTOR, now=now)

    # -- Money ---------------------------------------------------------------------------------------------------------
    def top_up(self, n: int, now: datetime) -> None:
        """By a page, which one in five leaves."""
        payment = settlement.request_top_up(
            organization=self.organization,
            actor=ACTOR,
            created_by=None,
            amount_cents=CENTS[n % len(CENTS)],
            now=now,
            keep_card=n % 3 == 0,
        )
        url = opening.open_checkout(payment=payment, gateway=payments.gateway(), now=now)
        if n % 5:
            self.standin.pay(url, card=CARDS[n % 7 % len(CARDS)], agrees=n % 4 != 1)

    def save_card(self, n: int, now: datetime) -> None:
        """By a page; the product hears of it later."""
        page = cards.request_page(organization=self.organization, actor=ACTOR, created_by=None, now=now)
        url = opening.card_page(page=page, gateway=payments.gateway(), now=now)
        self.standin.pay(url, card=CARDS[n % len(CARDS)], agrees=n % 5 != 0)

    def charge(self, n: int, now: datetime) -> None:
        """By a card that was saved; its owner confirms what waited for that."""
        card = cards.cards_of(self.organization).first()
        if card:
            charging.request_charge(
                organization=self.organization,
                actor=ACTOR,
                created_by=None,
                card=card,
                amount_cents=CENTS[n % len(CENTS)],
                now=now,
            )
        waiting = Payment.objects.filter(organization=self.organization, state=PaymentState.ACTION).first()
        if waiting:
            url = opening.bank_page(payment=waiting, gateway=payments.gateway(), now=now)
            self.standin.answer(url, agrees=n % 3 != 0)

    def automatic(self, n: int, now: datetime) -> None:
        """On, or off again."""
        if AutoTopUp.objects.filter(organization=self.organization, active=True).exists() and n % 2:
            automatic.switch_off(organization=self.organization, actor=ACTOR, now=now)
        elif cards.cards_of(self.organization).exists():
            rules = automatic.Rules(20_00 + n % 7, 50_00, 120_00)
            automatic.switch_on(organization=self.organization, rules=rules, actor=ACTOR, now=now)

    def refund(self, n: int, now: datetime) -> None:
        """A part of what can go back, or all of it; now and then more."""
        most = refundable_cents(organization=self.organization, now=now)
        cents = (most, most // 2, 1, most + 1)[n % 4]
        refunds.request_refund(
            organization=self.organization, actor=ACTOR, created_by=None, amount_cents=cents, now=now
        )

    def settle_refunds(self, n: int, now: datetime) -> None:
        """The banks end refunds that they had kept waiting, some by a failure."""
        self.standin.settle_refunds()

    def dispute(self, n: int, now: datetime) -> None:
        """Somebody disputes a charge, or his bank asks or warns."""
        charges = [*Payment.objects.filter(organization=self.organization).values_list("charge_reference", flat=True)]
        charges += CardInvoice.objects.filter(organization=self.organization).values_list("charge_reference", flat=True)
        known = {one["charge"] for one in self.standin.all("dispute")}
        free = sorted({charge for charge in charges if charge} - known)
        if free:
            self.standin.dispute(free[n % len(free)], ("fraudulent", "duplicate", "inquiry", "warning")[n % 4])

    def decide(self, n: int, now: datetime) -> None:
        """The banks have their last word."""
        self.standin.decide(("won", "lost")[n % 2])

    def gift(self, n: int, now: datetime) -> None:
        """Credit, for a day, for a month, or for ever."""
        granting.give(
            organization=self.organization,
            amount_micros=1 + n * 31_337,
            reason="a gift",
            expires_at=(None, now + DAY, now + 30 * DAY)[n % 3],
            actor=ACTOR,
            key=f"{self.organization.public_id}:{self.serial}",
            now=now,
        )

    def adjust(self, n: int, now: datetime) -> None:
        """By staff, for a lease or for none; a second person decides where one is needed."""
        lease = Lease.objects.filter(organization=self.organization, meter__isnull=False).order_by("pk").first()
        row = adjusting.ask(
            organization=self.organization,
            amount_micros=MICROS[n % len(MICROS)],
            words="Adjusted",
            reason="for a life",
            by=self.staff[0],
            lease=lease if n % 2 else None,
            now=now,
        )
        if row.needs_second and n % 3:
            adjusting.approve(adjustment=row, by=self.staff[1], now=now)

    def transfer(self, n: int, now: datetime) -> None:
        """Of what is owed on an invoice: all, a part, or more."""
        owing = still_open(Invoice.objects.filter(organization=self.organization))
        if owing:
            owed = owing[n % len(owing)]
            self._transfer(
                max(1, (owed.open_cents, owed.open_cents // 2, owed.open_cents + 123)[n % 3]), owed.invoice, now
            )

    def _transfer(self, cents: int, invoice: Invoice, now: datetime) -> None:
        self.serial += 1
        receivables.record_transfer(
            organization=self.organization,
            reference=f"{self.organization.public_id}:{self.serial}",
            amount_cents=cents,
            received_at=now,
            invoice=invoice,
            actor=ACTOR,
            now=now,
        )

    def credit_note(self, n: int, now: datetime) -> None:
        """A part of a line of an invoice is taken back."""
        for invoice in Invoice.objects.filter(organization=self.organization).order_by("-pk")[:1]:
            left = {line: cents for line, cents in creditable_cents(invoice).items() if cents}
            if left:
                line = sorted(left)[n % len(left)]
                credit_notes.credit(
                    invoice=invoice, cents_by_line={line: 1 + n % left[line]}, reason="a note", actor=ACTOR, now=now
                )

    def write_off(self, n: int, now: datetime) -> None:
        """Staff gives up what is open of an invoice."""
        owing = still_open(Invoice.objects.filter(organization=self.organization))
        if owing:
            receivables.write_off(invoice=owing[n % len(owing)].invoice, reason="for a life", actor=ACTOR, now=now)

    def budget(self, n: int, now: datetime) -> None:
        """A cap of all it spends in a month, from $5 to $1,000: another one, or, now and then, none any more."""
        limit = 5_000_000 * (1 + n % 200)
        known = budgets.active(organization=self.organization)
        if known and n % 3 == 0:
            budgets.remove(budget=known[0], actor=ACTOR, now=now)
        elif known:
            budgets.change(budget=known[0], limit_micros=limit, actor=ACTOR, now=now)
        else:
            budgets.create(
                organization=self.organization, actor=ACTOR, created_by=None, project="", limit_micros=limit, now=now
            )

    # -- Leases --------------------------------------------------------------------------------------------------------
    def order(self, n: int, now: datetime) -> None:
        """On demand, from now on."""
        self._place(self.on_demand, 1 + n % 2, None, None, now)

    def order_ahead(self, n: int, now: datetime) -> None:
        """Some hours from one of the next full hours on."""
        begin = now.replace(minute=0, second=0, microsecond=0) + (1 + n % 4) * HOUR
        self._place(self.reserved, 1, begin, begin + (1 + n % 5) * HOUR, now)

    def _place(self, offer: Offer, nodes: int, begin: datetime | None, end: datetime | None, now: datetime) -> None:
        quote = checkout.quote(
            organization=self.organization, offer=offer, nodes=nodes, starts_at=begin, ends_at=end, now=now
        )
        setup = Setup(f"life {self.serial}", [], Image.objects.all()[0])
        order: dict[str, Any] = {"quote": quote.public_id, "setup": setup, "now": now}
        with transaction.atomic():
            checkout.place(organization=self.organization, actor=ACTOR, created_by=None, **order)

    def order_surplus(self, n: int, now: datetime) -> None:
        """On power that may be needed elsewhere."""
        if self.surplus:
            self._place(self.surplus, 1 + n % 2, None, None, now)

    def interrupt(self, n: int, now: datetime) -> None:
        """There is no power for one of them, from when its notice is over on."""
        for lease in self._leases(LeaseState.ACTIVE):
            if lease.terms.notice_seconds:
                begin = now + timedelta(seconds=lease.terms.notice_seconds) + n % 7 * MINUTE
                operations.schedule_interruption(
                    lease=lease,
                    begins_at=begin,
                    ends_at=begin + (1 + n % 3) * HOUR,
                    cause=InterruptionCause.GRID,
                    requested_by=ACTOR,
                    now=now,
                )
                return

    def answer(self, n: int, now: datetime) -> None:
        """Its tenant is ready, or asks for more time; or there is power again, or it is called off."""
        known = Interruption.objects.filter(lease__organization=self.organization, state__in=INTERRUPTION_OPEN)
        row = known.order_by("pk").first()
        if row and n % 4 == 1:
            operations.ask_for_more(interruption=row, seconds=1 + n % 900, actor=ACTOR, now=now)
        elif row and n % 4 == 3 and row.state == InterruptionState.SCHEDULED:
            operations.call_off(interruption=row, actor=ACTOR, now=now)
        elif row:
            act = operations.power_back if n % 4 else operations.ready
            act(interruption=row, actor=ACTOR, now=now)

    def extend(self, n: int, now: datetime) -> None:
        """An agreed window, by some hours."""
        for lease in self._leases(LeaseState.SCHEDULED, *RUNNING):
            if lease.ends_at:
                extend(lease=lease, ends_at=lease.ends_at + (1 + n % 3) * HOUR, actor=ACTOR, now=now)
                return

    def shorten(self, n: int, now: datetime) -> None:
        """An agreed window, by an hour."""
        for lease in self._leases(LeaseState.SCHEDULED, *RUNNING):
            if lease.ends_at:
                handing_back.shorten(lease=lease, ends_at=lease.ends_at - HOUR, actor=ACTOR, now=now)
                return

    def hand_back(self, n: int, now: datetime) -> None:
        """One of what it has, or what it is to have."""
        leases = self._leases(LeaseState.SCHEDULED, *RUNNING)
        if leases:
            handing_back.hand_back(lease=leases[n % len(leases)], actor=ACTOR, now=now)

    def outage(self, n: int, now: datetime) -> None:
        """A node did not serve for a while, as becomes known now: perhaps long after the lease was over."""
        machines = Machine.objects.filter(lease__organization=self.organization, lease__meter__isnull=False)
        machine = machines.order_by("-pk")[n % 3 :].first()
        if machine:
            begin = machine.lease.starts_at + (n % 90) * MINUTE
            end = min(now, begin + (1 + n % 40) * MINUTE)
            if begin < end:
                Outage.objects.create(
                    machine=machine, began_at=begin, ended_at=end, cause=OutageCause.UNREACHABLE, recorded_at=now
                )

    def outage_corrected(self, n: int, now: datetime) -> None:
        """It was shorter, or longer."""
        outage = Outage.objects.filter(machine__lease__organization=self.organization).order_by("-pk").first()
        if outage and outage.ended_at:
            end = min(now, max(outage.began_at + MINUTE, outage.ended_at + (n % 21 - 10) * MINUTE))
            if end > outage.began_at:
                Outage.objects.filter(pk=outage.pk).update(ended_at=end, recorded_at=now)

    def _leases(self, *states: LeaseState) -> list[Lease]:
        return list(Lease.objects.filter(organization=self.organization, state__in=states).order_by("pk"))

    # -- The processor ------------------------------------------------------------------------------------------------
    def fault(self, n: int, now: datetime) -> None:
        """Some of the next calls go wrong."""
        self.standin.fault(PATHS[n % len(PATHS)], FAULTS[n // 7 % len(FAULTS)], 1 + n % 3)

    def hear(self, n: int, now: datetime) -> None:
        """Messages of the processor's come, the newest first or the oldest."""
        told = list(numbered(reversed(self.standin.all("event"))))[-(20 + n % 30) :]
        self.post.deliver(told[::-1] if n % 2 else told, n, now)


RUNNING = (LeaseState.PROVISIONING, LeaseState.ACTIVE, LeaseState.PAUSED)
Step = Callable[[Life, int, datetime], None]
STEPS: dict[str, Step] = {
    step.__name__: step
    for step in (
        Life.top_up, Life.save_card, Life.charge, Life.automatic, Life.refund, Life.settle_refunds, Life.dispute,
        Life.decide, Life.gift, Life.adjust, Life.transfer, Life.credit_note, Life.order, Life.order_ahead, Life.extend,
        Life.shorten, Life.hand_back, Life.outage, Life.outage_corrected, Life.fault, Life.hear, Life.write_off,
        Life.budget, Life.order_surplus, Life.interrupt, Life.answer,
    )
}  # fmt: skip
