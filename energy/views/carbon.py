"""How energy and carbon are divided and counted, open to everybody."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from energy.serializers.ledger import RULE
from leasing.queries.energy import ENOUGH_PERCENT
from marketplace.models import GridZone


@require_safe
def carbon(request: HttpRequest) -> HttpResponse:
    """The published rule, its words, and where the figures are from."""
    zones = GridZone.objects.order_by("name")
    return render(request, "energy/carbon.html", {"rule": RULE, "zones": zones, "enough": ENOUGH_PERCENT})
