"""
Where those are whom the processor invoices, for Stripe Tax (STRIPE_TAX): the newest address is told to it, and it says
whether it can work out tax there. One that it does not find is told to the customer and to staff, and stops nothing:
months are invoiced without tax, or with the tax of the address before, until another one is declared.
"""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Organization
from accounts.operations import record
from billing import operations
from billing.models import (
    AddressState,
    BillingAccount,
    BillingMode,
    CallKind,
    GatewayCall,
    MeteredSubscription,
    TaxProfile,
)
from billing.payments import customers, meters
from billing.payments.base import Facts, Gateway, GatewayRefused

ACTOR = "system:billing"


def due() -> QuerySet[TaxProfile]:
    """Profiles in force whose address was not told, of who pays by the month and is known to the processor."""
    if not settings.STRIPE_TAX:
        return TaxProfile.objects.none()
    later = TaxProfile.objects.filter(organization=OuterRef("organization"), version__gt=OuterRef("version"))
    rows = TaxProfile.objects.filter(~Exists(later), address_state=AddressState.UNTOLD)
    invoiced = rows.filter(
        organization__billing_account__customer_reference__isnull=False,
        organization__billing_account__mode=BillingMode.METERED,
    )
    return invoiced.select_related("organization").order_by("pk")


def located() -> QuerySet[TaxProfile]:
    """Profiles with whose address tax can be worked out: the processor keeps the last that it has found."""
    found = TaxProfile.objects.filter(address_state=AddressState.LOCATED)
    return found if settings.STRIPE_TAX else found.none()


def tell(*, profile: TaxProfile, now: datetime) -> None:
    """Have the processor told, once for each version."""
    account = BillingAccount.objects.get(organization=profile.organization_id)
    call = customers.moved(customer=str(account.customer_reference), name=profile.legal_name, address=address(profile))
    operations.ask(
        organization=profile.organization, kind=CallKind.ADDRESS, subject=profile.public_id, call=call, now=now
    )


def told(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The processor has the address, and finds it."""
    TaxProfile.objects.filter(public_id=call.subject).update(address_state=AddressState.LOCATED)


def not_found(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """The processor does not find the address, and keeps the one before."""
    profile = TaxProfile.objects.select_related("organization").get(public_id=call.subject)
    lost(profile=profile, why=refusal.message, now=now)


def find(gateway: Gateway, call: GatewayCall) -> Facts | None:
    """The customer of a call that says where it is, if that is known."""
    found = gateway.fetch(call.path)
    return found if customers.address_of(found) == customers.address_of(call.body) else None


@transaction.atomic
def seen(*, subscription: MeteredSubscription, facts: Facts, now: datetime) -> None:
    """Keep whether tax is worked out on a subscription. It is not any more where the customer is not found any more."""
    MeteredSubscription.objects.filter(pk=subscription.pk, reference=facts["id"]).update(taxed=meters.is_taxed(facts))
    if subscription.taxed and meters.lost_sight(facts):
        lose(organization=subscription.organization, why="It works out no tax on the subscription.", now=now)


def lose(*, organization: Organization, why: str, now: datetime) -> None:
    """The processor does not find the organization at the address that it has."""
    found = located().filter(organization=organization).select_related("organization").order_by("-version")
    profile = found.first()
    if profile:
        lost(profile=profile, why=why, now=now)
        found.update(address_state=AddressState.UNLOCATED)  # those before it are not there any more


def lost(*, profile: TaxProfile, why: str, now: datetime) -> None:
    """An address is not found. Told once, to both who can do something about it."""
    mine = TaxProfile.objects.filter(pk=profile.pk).exclude(address_state=AddressState.UNLOCATED)
    if not mine.update(address_state=AddressState.UNLOCATED):
        return
    organization, data = profile.organization, {"version": profile.version, "message": why}
    text = "No tax can be worked out for it. Correct it: in most countries the postal code is what is needed."
    record(
        organization=organization,
        kind="organization.address_not_found",
        subject=profile.public_id,
        actor=ACTOR,
        at=now,
        data=data,
        notice={
            "title": f"{organization.name}: your address was not found",
            "text": f"{text} Nothing else is affected.",
            "path": "/organization/tax/",
        },
    )
    record(
        organization=None,
        kind="tax.address_not_found",
        subject=profile.public_id,
        actor=ACTOR,
        at=now,
        data={"organization": organization.public_id, **data},
        notice={
            "title": f"Stripe Tax does not find the address of {organization}",
            "text": f"{why} Its months are invoiced without tax, or with that of its address before, until it "
            "declares another one. It was told.",
            "path": f"/admin/billing/taxprofile/{profile.pk}/change/",
        },
    )


def address(profile: TaxProfile) -> dict[str, str]:
    """Where somebody is, as the processor takes it."""
    whole = {
        "line1": profile.line1,
        "line2": profile.line2,
        "city": profile.city,
        "state": profile.region,
        "postal_code": profile.postal_code,
        "country": profile.country,
    }
    return {name: value for name, value in whole.items() if value}
