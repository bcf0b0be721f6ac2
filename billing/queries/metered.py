"""What staff and customers see of billing by the month."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import QuerySet

from accounts.models import Organization
from billing.models import BillingAccount, BillingMode, Export, TieOut
from billing.queries.wallet import Wallet, wallet

# What makes more money available, by how an organization pays: the beginning of a sentence.
LATER = "Pay an open invoice, or write to us for a higher limit,"
WAYS_OUT: Mapping[BillingMode, str] = {
    BillingMode.PREPAID: "Top up",
    BillingMode.METERED: LATER,
    BillingMode.INVOICED: LATER,
}


@dataclass(frozen=True)
class Owing:
    """An organization that pays later, its wallet now, and the last day up to which all books agree."""

    account: BillingAccount
    wallet: Wallet
    matched_on: date | None


def mode_of(organization: Organization) -> BillingMode:
    """How the organization pays."""
    mode = BillingAccount.objects.filter(pk=organization.pk).values_list("mode", flat=True).first()
    return BillingMode(mode or BillingMode.PREPAID)


def way_out(organization: Organization) -> str:
    """What the organization can do for more money to be available, as the beginning of a sentence."""
    return WAYS_OUT[mode_of(organization)]


def matched_on(organization: Organization) -> date | None:
    """The last UTC day up to which our ledger and the processor's meter agree; None before the first."""
    days = TieOut.objects.filter(organization=organization, span=TieOut.Span.DAY)
    first_open = days.exclude(differs_since=None).order_by("day").values_list("day", flat=True).first()
    agreed = days.filter(differs_since=None, **({"day__lt": first_open} if first_open else {}))
    return agreed.order_by("-day").values_list("day", flat=True).first()


def differences() -> QuerySet[TieOut]:
    """Days and months that do not tie out, the oldest first."""
    return TieOut.objects.exclude(differs_since=None).select_related("organization").order_by("day", "pk")


def doubted() -> QuerySet[Export]:
    """What the processor's meter may not have counted, by its own report, the oldest first."""
    return Export.objects.filter(doubted_at__isnull=False).select_related("organization").order_by("doubted_at", "pk")


def owing(*, now: datetime) -> list[Owing]:
    """Whoever pays later, by name."""
    later = BillingAccount.objects.exclude(mode=BillingMode.PREPAID).select_related("organization")
    return [
        Owing(account, wallet(organization=account.organization, now=now), matched_on(account.organization))
        for account in later.order_by("organization__name", "pk")
    ]
