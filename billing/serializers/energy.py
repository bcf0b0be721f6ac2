"""The energy of an invoice's leases, for programs and spreadsheets."""

import csv

from django.http import HttpResponse
from rest_framework import serializers

from billing.models import Invoice, InvoiceEnergy
from billing.serializers.exports import plain
from leasing.models import SUMMED, LeaseEnergy


class EnergySumShown(serializers.ModelSerializer[LeaseEnergy]):
    """What hours come to: watt-hours at the site's meter, micrograms of CO2-equivalent."""

    renewable_percent = serializers.FloatField(allow_null=True, help_text="Null without energy.")

    class Meta:
        model = LeaseEnergy
        fields = [*SUMMED, "renewable_percent"]
        read_only_fields = fields


class MonthEnergyShown(EnergySumShown):
    """What a lease used in a month as far as it is counted; an hour is, two hours after its end."""

    lease = serializers.CharField(source="lease.public_id")

    class Meta(EnergySumShown.Meta):
        fields = ["lease", "month", *EnergySumShown.Meta.fields]
        read_only_fields = fields


class InvoiceEnergyShown(serializers.ModelSerializer[InvoiceEnergy]):
    """
    What a lease used in a month, as it was counted when the invoice was issued. A `month` before the invoice's is what
    was counted only behind that month's invoice. Add `location_ug` and `market_ug` each by itself, never both.
    """

    lease = serializers.CharField(source="lease.public_id")
    name = serializers.CharField(source="lease.name")
    renewable_percent = serializers.FloatField(allow_null=True, help_text="Null without energy.")

    class Meta:
        model = InvoiceEnergy
        fields = ["lease", "name", "month", "complete", *SUMMED, "renewable_percent"]
        read_only_fields = fields


def energy_file(invoice: Invoice) -> HttpResponse:
    """One line for each lease and month, as CSV: watt-hours, micrograms, hours."""
    headers = {
        "Content-Disposition": f'attachment; filename="{invoice.number}-energy.csv"',
        "Cache-Control": "private, no-store",
    }
    answer = HttpResponse(content_type="text/csv; charset=utf-8", headers=headers)
    writer = csv.DictWriter(answer, InvoiceEnergyShown.Meta.fields)
    writer.writeheader()
    for row in InvoiceEnergyShown(invoice.energy.all(), many=True).data:
        writer.writerow(row | {"name": plain(row["name"])})
    return answer
