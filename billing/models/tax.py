"""Who an organization is for the tax office, version by version; and what the card processor says of its tax."""

import pgtrigger
from django.db import models
from django.db.models import Q

from accounts.ids import PublicIdField
from accounts.models import Organization
from billing.models.invoice import Invoice

# An answer, the invoice that carries it, and that it was recorded are each written once.
SAID_BEFORE = """
    OLD.answered_at IS NOT NULL AND (OLD.answered_at, OLD.tax_cents, OLD.note, OLD.reference)
                                     IS DISTINCT FROM (NEW.answered_at, NEW.tax_cents, NEW.note, NEW.reference)
    OR OLD.invoice_id IS NOT NULL AND OLD.invoice_id IS DISTINCT FROM NEW.invoice_id
    OR OLD.recorded_at IS NOT NULL AND (OLD.recorded_at, OLD.transaction)
                                        IS DISTINCT FROM (NEW.recorded_at, NEW.transaction)
"""


class TaxIdKind(models.TextChoices):
    """The processor's words: https://docs.stripe.com/billing/customer/tax-ids"""

    EU_VAT = "eu_vat", "EU VAT number"
    GB_VAT = "gb_vat", "UK VAT number"
    CH_VAT = "ch_vat", "Swiss VAT number"
    NO_VAT = "no_vat", "Norwegian VAT number"
    AU_ABN = "au_abn", "Australian ABN"
    US_EIN = "us_ein", "US EIN"


class TaxIdState(models.TextChoices):
    """What the register says of a tax id. Only a verified one changes the tax."""

    NONE = "none", "no tax id"
    PENDING = "pending", "being checked"
    VERIFIED = "verified", "verified"
    UNVERIFIED = "unverified", "not known to the register"
    UNAVAILABLE = "unavailable", "no register answers for it"


class AddressState(models.TextChoices):
    """Whether the processor's tax service finds the address. It is told only where Stripe Tax is enabled."""

    UNTOLD = "untold", "not checked"
    LOCATED = "located", "found"
    UNLOCATED = "unlocated", "not found"


class TaxProfile(models.Model):
    """
    One version; the newest is in force. Nothing of it is edited but what the register says of its tax id, and the
    processor of its address.
    """

    public_id = PublicIdField(prefix="tp")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="tax_profiles")
    version = models.PositiveIntegerField()
    legal_name = models.CharField(max_length=120)
    line1 = models.CharField(max_length=120)
    line2 = models.CharField(max_length=120, blank=True)
    city = models.CharField(max_length=80)
    region = models.CharField(max_length=40, blank=True, help_text="State or province; in the US its two letters.")
    postal_code = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2, help_text="ISO 3166-1, two letters.")
    tax_id_kind = models.CharField(max_length=10, blank=True, choices=TaxIdKind)
    tax_id = models.CharField(max_length=40, blank=True)
    tax_id_state = models.CharField(max_length=12, choices=TaxIdState, default=TaxIdState.NONE)
    reference = models.CharField(max_length=255, blank=True, help_text="The processor's tax id, while it has it.")
    address_state = models.CharField(
        max_length=10,
        choices=AddressState,
        default=AddressState.UNTOLD,
        help_text="Whether Stripe Tax, where enabled, finds the address; without, months by card carry no tax.",
    )
    declared_at = models.DateTimeField()
    declared_by = models.CharField(max_length=80, help_text="Actor, such as user:us_….")
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When the register was last asked.")

    class Meta:
        ordering = ["organization", "-version"]
        indexes = [models.Index(fields=["id"], name="tax_profile_pending", condition=Q(tax_id_state="pending"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(address_state__in=AddressState.values), name="tax_profile_address_known"
            ),
            models.UniqueConstraint(fields=["organization", "version"], name="tax_profile_version_once"),
            models.CheckConstraint(condition=Q(country__regex="^[A-Z]{2}$"), name="tax_profile_has_a_country"),
            models.CheckConstraint(
                condition=Q(tax_id="", tax_id_kind="", tax_id_state="none")
                | ~Q(tax_id="") & ~Q(tax_id_kind="") & ~Q(tax_id_state="none"),
                name="tax_profile_has_a_whole_tax_id_or_none",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="tax_profile_is_kept", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="tax_profile_stays_as_declared",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(
                    "organization", "version", "legal_name", "line1", "line2", "city", "region", "postal_code",
                    "country", "tax_id_kind", "tax_id", "declared_at", "declared_by",
                ),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.legal_name}, version {self.version}"


class TaxCalculation(models.Model):
    """
    What the card processor was asked of the tax on a month's net amount that we invoice ourselves, and what it said.
    One for each question: another amount, address or tax id is another. Who issues the month's invoice takes the one
    that fits; the processor is then told that the tax was invoiced, and calls that a transaction.
    """

    public_id = PublicIdField(prefix="tc")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="tax_calculations")
    period_start = models.DateField()
    profile = models.ForeignKey(TaxProfile, on_delete=models.PROTECT, related_name="+", help_text="Whose address.")
    tax_id = models.CharField(max_length=40, blank=True, help_text="The profile's, if it was verified.")
    net_cents = models.BigIntegerField()
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    tax_cents = models.BigIntegerField(default=0)
    note = models.CharField(max_length=300, blank=True, help_text="Whose tax it is, or why there is none.")
    reference = models.CharField(
        max_length=255, blank=True, help_text="The processor's calculation; none where it found no address."
    )
    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="tax_calculation"
    )
    recorded_at = models.DateTimeField(null=True, blank=True, help_text="When the processor had the invoiced tax.")
    transaction = models.CharField(
        max_length=255, blank=True, help_text="The processor's transaction, if it said which it is."
    )

    class Meta:
        ordering = ["-asked_at", "-id"]
        indexes = [models.Index(fields=["id"], name="tax_calculation_open", condition=Q(answered_at=None))]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "period_start", "profile", "tax_id", "net_cents"],
                name="tax_calculation_once_per_question",
            ),
            models.UniqueConstraint(
                fields=["reference"], name="tax_calculation_reference_once", condition=~Q(reference="")
            ),
            models.CheckConstraint(condition=Q(net_cents__gt=0), name="tax_calculation_of_something"),
            models.CheckConstraint(
                condition=Q(answered_at__isnull=False, tax_cents__gte=0)
                | Q(answered_at=None, tax_cents=0, note="", reference="", invoice=None),
                name="tax_calculation_answers_as_a_whole",
            ),
            models.CheckConstraint(
                condition=~Q(reference="") | Q(tax_cents=0), name="tax_calculation_without_reference_has_no_tax"
            ),
            models.CheckConstraint(
                condition=Q(recorded_at=None, transaction="")
                | Q(recorded_at__isnull=False, invoice__isnull=False) & ~Q(reference=""),
                name="tax_calculation_is_recorded_behind_its_invoice",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="tax_calculation_is_kept", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="tax_calculation_stays_as_asked",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(
                    "organization", "period_start", "profile", "tax_id", "net_cents", "asked_at"
                ),
            ),
            pgtrigger.Protect(
                name="tax_calculation_says_each_thing_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(SAID_BEFORE),
            ),
        ]

    def __str__(self) -> str:
        return f"Tax of {self.organization} in {self.period_start:%B %Y}"
