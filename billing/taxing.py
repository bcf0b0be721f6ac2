"""
Tax profiles: declared by the customer, version by version, and checked with the register through the card processor. An
unanswered check never stops anybody; only a verified tax id changes the tax.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import attrgetter

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Organization
from accounts.operations import record
from billing import customers, operations, sweeping
from billing.models import BillingAccount, CallKind, GatewayCall, TaxIdKind, TaxIdState, TaxProfile
from billing.payments import tax_ids
from billing.payments.base import Facts, Gateway, GatewayRefused
from billing.queries.taxes import EU, profile_of

ACTOR = "system:billing"
FIELDS = ("legal_name", "line1", "line2", "city", "region", "postal_code", "country", "tax_id_kind", "tax_id")
NEEDED = ("legal_name", "line1", "city", "country")
ASKED_AGAIN = timedelta(minutes=5)
# The shape of each kind: https://docs.stripe.com/billing/customer/tax-ids
SHAPES: Mapping[str, tuple[str, str]] = {
    TaxIdKind.EU_VAT: (r"(?:EL|[A-Z]{2})[A-Z0-9+*]{2,12}", "DE123456789"),
    TaxIdKind.GB_VAT: (r"GB(?:\d{9}|\d{12})", "GB123456789"),
    TaxIdKind.CH_VAT: (r"CHE-?\d{3}\.?\d{3}\.?\d{3}(?:MWST|TVA|IVA)", "CHE-123.456.789MWST"),
    TaxIdKind.NO_VAT: (r"\d{9}MVA", "123456789MVA"),
    TaxIdKind.AU_ABN: (r"\d{11}", "12345678912"),
    TaxIdKind.US_EIN: (r"\d{2}-\d{7}", "12-3456789"),
}
HOME = {"gb_vat": "GB", "ch_vat": "CH", "no_vat": "NO", "au_abn": "AU", "us_ein": "US"}


class BadTaxProfile(Exception):
    """It cannot be so. `field` names the input at fault, `message` the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


@transaction.atomic
def declare(*, organization: Organization, fields: Mapping[str, str], actor: str, now: datetime) -> TaxProfile:
    """
    A new version of who the organization is; the same again is the one that there is. `fields` are FIELDS.

    :raises BadTaxProfile: without a name, street, town or country, or with a tax id that is none of that country
    """
    operations.lock_wallet(organization=organization)
    said = {name: " ".join(fields.get(name, "").split()) for name in FIELDS}
    said["country"], said["tax_id"] = said["country"].upper(), said["tax_id"].upper().replace(" ", "")
    _check(said)
    newest = profile_of(organization)
    if newest and all(getattr(newest, name) == value for name, value in said.items()):
        return newest
    profile = TaxProfile.objects.create(
        organization=organization,
        version=newest.version + 1 if newest else 1,
        tax_id_state=TaxIdState.PENDING if said["tax_id"] else TaxIdState.NONE,
        declared_at=now,
        declared_by=actor,
        **said,
    )
    customers.make_known(organization=organization, now=now)
    data = {"version": profile.version, "country": profile.country, "tax_id": profile.tax_id}
    record(
        organization=organization,
        kind="organization.tax_profile_declared",
        subject=profile.public_id,
        actor=actor,
        at=now,
        data=data,
    )
    return profile


def due(*, now: datetime) -> QuerySet[TaxProfile]:
    """Profiles whose tax id is to be checked, of organizations that the processor knows."""
    waited = Q(checked_at=None) | Q(checked_at__lte=now - ASKED_AGAIN)
    leaving = GatewayCall.objects.filter(
        organization=OuterRef("organization"), kind=CallKind.TAX_ID_OFF, settled_at=None
    )
    pending = TaxProfile.objects.filter(waited, ~Exists(leaving), tax_id_state=TaxIdState.PENDING)
    known = pending.filter(organization__billing_account__customer_reference__isnull=False)
    return known.select_related("organization").order_by("pk")


def check_due(*, gateway: Gateway, now: datetime) -> Mapping[str, Exception]:
    """Check what is due. Returns what went wrong, by profile; none stops the rest."""
    return sweeping.ask_each(
        sweeping.claims(due(now=now), lambda _: {"checked_at": now}),
        lambda profile: check(profile=profile, gateway=gateway, now=now),
        name=attrgetter("public_id"),
        now=now,
    )


def check(*, profile: TaxProfile, gateway: Gateway, now: datetime) -> None:
    """
    See what the register says of a tax id: the processor has it checked once it knows it. Looks first whether it does,
    as from an earlier version, and asks it to take the id only then. Calls the processor: never in a transaction.

    :raises GatewayUnavailable: if it does not answer; the profile stays and is asked for again
    """
    facts = _found(profile, gateway)
    if facts:
        _answer(profile, TaxIdState(facts.state), reference=facts.reference, words="", now=now)
        return
    call = tax_ids.make(customer=_customer(profile), kind=profile.tax_id_kind, value=profile.tax_id)
    operations.ask(
        organization=profile.organization, kind=CallKind.TAX_ID, subject=profile.public_id, call=call, now=now
    )
    TaxProfile.objects.filter(pk=profile.pk).update(checked_at=now)


def stale() -> QuerySet[TaxProfile]:
    """Profiles whose tax id the processor has and must not: superseded, or not known to its register."""
    same = Q(tax_id_kind=OuterRef("tax_id_kind"), tax_id=OuterRef("tax_id"))
    later = TaxProfile.objects.filter(organization=OuterRef("organization"), version__gt=OuterRef("version"))
    rows = TaxProfile.objects.exclude(reference="").annotate(superseded=Exists(later), kept=Exists(later.filter(same)))
    wrong = Q(superseded=True, kept=False) | Q(tax_id_state=TaxIdState.UNVERIFIED)
    return rows.filter(wrong).select_related("organization").order_by("pk")


def take_off(*, profile: TaxProfile, now: datetime) -> None:
    """Have the processor forget a tax id: else it stood on the next invoice, and could change its tax."""
    operations.ask(
        organization=profile.organization,
        kind=CallKind.TAX_ID_OFF,
        subject=profile.reference,
        call=tax_ids.take_off(customer=_customer(profile), reference=profile.reference),
        now=now,
    )


def off(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The processor has it no more."""
    TaxProfile.objects.filter(organization=call.organization, reference=call.subject).update(reference="")


def not_off(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """It did not have it: somebody was faster."""
    off(call=call, facts={}, now=now)


def find_off(gateway: Gateway, call: GatewayCall) -> Facts | None:
    """The tax id by its name alone, once the customer has it no more."""
    left = gateway.each(call.path.rpartition("/")[0])
    return None if any(facts["id"] == call.subject for facts in left) else {"id": call.subject}


def taken(*, call: GatewayCall, facts: Facts, now: datetime) -> None:
    """The processor has the tax id; most registers answer a moment later."""
    said = tax_ids.tax_id(facts)
    _answer(_about(call), TaxIdState(said.state), reference=said.reference, words="", now=now)


def not_taken(*, call: GatewayCall, refusal: GatewayRefused, now: datetime) -> None:
    """It is none, by the processor's word."""
    _answer(_about(call), TaxIdState.UNVERIFIED, reference="", words=refusal.message, now=now)


def find(gateway: Gateway, call: GatewayCall) -> Facts | None:
    """A tax id carries no mark: it is found by what it is."""
    profile = _about(call)
    facts = _found(profile, gateway)
    return gateway.fetch(f"{tax_ids.path(_customer(profile))}/{facts.reference}") if facts else None


def _about(call: GatewayCall) -> TaxProfile:
    return TaxProfile.objects.select_related("organization").get(public_id=call.subject)


def _customer(profile: TaxProfile) -> str:
    return BillingAccount.objects.get(organization=profile.organization_id).customer_reference or ""


def _found(profile: TaxProfile, gateway: Gateway) -> tax_ids.TaxIdFacts | None:
    known = (tax_ids.tax_id(facts) for facts in gateway.each(tax_ids.path(_customer(profile))))
    wanted = (profile.tax_id_kind, profile.tax_id)
    return next((facts for facts in known if (facts.kind, facts.value) == wanted), None)


@transaction.atomic
def _answer(profile: TaxProfile, state: TaxIdState, *, reference: str, words: str, now: datetime) -> None:
    """What the register said, once."""
    pending = TaxProfile.objects.filter(pk=profile.pk, tax_id_state=TaxIdState.PENDING)
    changed = pending.update(tax_id_state=state, reference=reference, checked_at=now)
    if not changed or state == TaxIdState.PENDING:
        return
    organization, text = profile.organization, f"{profile.tax_id}: {state.label}. {words}".strip()
    record(
        organization=organization,
        kind="organization.tax_id_checked",
        subject=profile.public_id,
        actor=ACTOR,
        at=now,
        data={"tax_id": profile.tax_id, "state": state},
        notice={
            "title": f"{organization.name}: your tax id was not found",
            "text": f"{text} Until it is corrected, invoices are taxed as without one.",
            "path": "/organization/tax/",
        }
        if state == TaxIdState.UNVERIFIED
        else None,
    )


def _check(said: Mapping[str, str]) -> None:
    if said["country"] and not re.fullmatch("[A-Z]{2}", said["country"]):
        raise BadTaxProfile("country", "Write the two letters of ISO 3166, such as US or DE.")
    for name in FIELDS:
        longest = getattr(TaxProfile._meta.get_field(name), "max_length", None)
        if name in NEEDED and not said[name]:
            raise BadTaxProfile(name, "This is needed: it stands on your invoices.")
        if len(said[name]) > (longest or 0):
            raise BadTaxProfile(name, f"Write at most {longest} characters.")
    if bool(said["tax_id"]) != bool(said["tax_id_kind"]):
        raise BadTaxProfile("tax_id", "Give the kind of tax id and the id, or neither.")
    if said["tax_id"]:
        _check_tax_id(said)


def _check_tax_id(said: Mapping[str, str]) -> None:
    kind = said["tax_id_kind"]
    if kind not in SHAPES:
        raise BadTaxProfile("tax_id_kind", f"Choose one of {', '.join(SHAPES)}.")
    shape, example = SHAPES[kind]
    if not re.fullmatch(shape, said["tax_id"]):
        raise BadTaxProfile("tax_id", f"A {TaxIdKind(kind).label} looks like {example}.")
    country = said["country"]
    prefix = {"GR": "EL"}.get(country, country)
    fits = country in EU and said["tax_id"].startswith(prefix) if kind == TaxIdKind.EU_VAT else HOME[kind] == country
    if not fits:
        raise BadTaxProfile("tax_id", f"It is not of {country}, where your address is.")
