"""The organization as the card processor's customer."""

from datetime import datetime

from django.db import transaction

from accounts.models import Membership, Organization, Role
from billing import operations
from billing.models import BillingAccount, CallKind, GatewayCall
from billing.payments import customers
from billing.payments.base import Facts


@transaction.atomic
def make_known(*, organization: Organization, now: datetime) -> BillingAccount:
    """See that the processor will know the organization. Whatever is asked of it for the organization later waits."""
    account = operations.account_of(organization)
    if not account.customer_reference:
        owners = Membership.objects.filter(organization=organization, role=Role.OWNER).select_related("user")
        owner = owners.order_by("id").first()
        call = customers.customer(
            organization_id=organization.public_id, name=organization.name, email=owner.user.email if owner else ""
        )
        operations.ask(
            organization=organization, kind=CallKind.CUSTOMER, subject=organization.public_id, call=call, now=now
        )
    return account


def known(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The processor knows the organization now."""
    BillingAccount.objects.filter(organization=call.organization).update(customer_reference=facts["id"])
