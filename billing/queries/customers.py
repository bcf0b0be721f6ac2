"""Customers and their leases as staff look for them: by a part of the name, or by the public id."""

import re

from django.db.models import Q, QuerySet

from accounts.models import Organization
from billing.models import BillingMode
from leasing.models import Lease

SUGGESTED = 20
_ID = re.compile(r"(?:^|\()((?:og|ls)_\w+)\)?$")


def named(row: Organization | Lease) -> str:
    """Such as "Acme Robotics (og_…)": two may have one name."""
    return f"{row.name} ({row.public_id})"


def id_in(text: str) -> str:
    """The public id that a text is, or ends with as `named` writes it; any other text as it is."""
    found = _ID.search(text.strip())
    return found[1] if found else text.strip()


def customer(text: str, *, mode: BillingMode | None = None) -> Organization | None:
    """Whose id it is, or who alone has this name; None for nobody, and for several. `mode`: only who pays so."""
    rows = _customers(mode).filter(Q(public_id=id_in(text)) | Q(name__iexact=text.strip()))[:2]
    return rows[0] if len(rows) == 1 else None


def customers_like(text: str, *, mode: BillingMode | None = None) -> QuerySet[Organization]:
    """Who has the text in the name, or as id, by name; everybody for an empty one."""
    fits = Q(public_id=id_in(text)) | Q(name__icontains=text.strip())
    return _customers(mode).filter(fits).order_by("name", "pk")


def leases_like(text: str, *, organization: Organization) -> QuerySet[Lease]:
    """An organization's leases that have the text in the name, or as id, the newest first."""
    fits = Q(public_id=id_in(text)) | Q(name__icontains=text.strip())
    return Lease.objects.filter(fits, organization=organization).order_by("-pk")


def _customers(mode: BillingMode | None) -> QuerySet[Organization]:
    return Organization.objects.filter(billing_account__mode=mode) if mode else Organization.objects.all()
