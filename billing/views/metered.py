"""Staff's pages of who pays later: who owes what, what does not tie out, and how one organization pays."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from accounts.access import operator_of
from accounts.clock import now
from accounts.models import Organization
from accounts.views import operator_allowed
from billing import operations, paying, payments
from billing.access import MAY_DECIDE, MAY_SEE
from billing.models import TRUST, BillingAccount, BillingMode, TrustLevel
from billing.paying import Decision
from billing.payments.base import GatewayUnavailable
from billing.queries.metered import differences, owing
from marketplace.money import MICROS


class PaymentTerms(forms.Form):
    """How an organization pays, and how far it is trusted; staff's word."""

    mode = forms.ChoiceField(label="It pays", choices=BillingMode.choices)
    trust = forms.ChoiceField(label="Trust", choices=TrustLevel.choices)
    credit = forms.DecimalField(
        label="Credit",
        required=False,
        min_value=0,
        decimal_places=2,
        help_text="In dollars. Empty: what its trust gives, $1,000 known, $10,000 trusted, $100,000 enterprise.",
    )
    override = forms.BooleanField(label="It may go without a card that works", required=False)
    reason = forms.CharField(label="Reason", max_length=200, help_text="Kept with the change; for staff.")

    def __init__(self, data: Any, *, account: BillingAccount) -> None:
        """Shows what holds now."""
        given = TRUST[TrustLevel(account.trust)].credit_micros
        own = account.mode != BillingMode.PREPAID and account.credit_micros != given
        credit = f"{account.credit_micros / MICROS:.2f}" if own else None
        super().__init__(data, initial={"mode": account.mode, "trust": account.trust, "credit": credit})

    def decision(self) -> Decision:
        """What was decided."""
        wanted, credit = self.cleaned_data, self.cleaned_data["credit"]
        return Decision(
            mode=BillingMode(wanted["mode"]),
            trust=TrustLevel(wanted["trust"]),
            credit_micros=None if credit is None else int(credit * MICROS),
            reason=wanted["reason"],
            override=wanted["override"],
        )


@operator_allowed(MAY_SEE)
def metered_list(request: HttpRequest) -> HttpResponse:
    """What does not tie out, and everybody who pays later. Any other organization is found by its id."""
    wanted = request.GET.get("organization", "").strip()
    if wanted and Organization.objects.filter(public_id=wanted).exists():
        return redirect("metered_organization", id=wanted)
    context = {"differences": differences(), "owing": owing(now=now()), "wanted": wanted}
    return render(request, "billing/metered.html", context)


@operator_allowed(MAY_DECIDE)
def metered_organization(request: HttpRequest, id: str) -> HttpResponse:
    """How an organization pays, and how far it is trusted."""
    organization = get_object_or_404(Organization, public_id=id)
    account = operations.account_of(organization)
    form = PaymentTerms(request.POST or None, account=account)
    if form.is_valid():
        try:
            works = paying.card_works(organization=organization, gateway=payments.gateway(), now=now())
            paying.decide(
                organization=organization,
                decision=form.decision(),
                card=works,
                actor=operator_of(request),
                now=now(),
            )
        except paying.ChangeRefused as refused:
            form.add_error(refused.field, str(refused))
        except GatewayUnavailable:
            form.add_error(None, "The card processor does not answer: its card cannot be looked at. Try again later.")
        else:
            messages.success(request, f"{organization.name} pays as decided.")
            return redirect("metered")
    return render(request, "billing/metered_organization.html", {"organization": organization, "form": form})
