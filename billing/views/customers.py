"""What the inputs of staff's forms propose while one types: customers, and the leases of one."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.views import operator_allowed
from billing.access import MAY_NAME_CUSTOMERS
from billing.forms.customers import suggested_customers, suggested_leases
from billing.models import BillingMode
from billing.queries.customers import customer


@operator_allowed(*MAY_NAME_CUSTOMERS)
def customer_names(request: HttpRequest) -> HttpResponse:
    """Customers that fit what was typed."""
    mode = BillingMode.INVOICED if request.GET.get("mode") == BillingMode.INVOICED else None
    return _options(request, suggested_customers(request.GET.get("organization", ""), mode=mode))


@operator_allowed(*MAY_NAME_CUSTOMERS)
def customer_leases(request: HttpRequest) -> HttpResponse:
    """The newest leases that fit, of the customer that the form names."""
    organization = customer(request.GET.get("organization", ""))
    return _options(request, suggested_leases(request.GET.get("lease", ""), organization=organization))


def _options(request: HttpRequest, suggestions: list[tuple[str, str]]) -> HttpResponse:
    return render(request, "components/options.html", {"suggestions": suggestions})
