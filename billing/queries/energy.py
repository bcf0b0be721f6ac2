"""The energy of leases, as it is shown beside what they cost."""

from datetime import date

from django.db.models import QuerySet

from accounts.models import Organization
from leasing.models import LeaseEnergy


def energy_in(organization: Organization, month: date) -> QuerySet[LeaseEnergy]:
    """What its leases used in a month, as far as it is counted."""
    return LeaseEnergy.objects.filter(lease__organization=organization, month=month).select_related("lease")
