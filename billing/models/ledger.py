"""The ledger: double entry, append-only, balanced by the database. It is the truth about money."""

from collections.abc import Mapping

import pgtrigger
from django.db import models

from accounts.ids import PublicIdField
from accounts.models import Organization

APPEND_ONLY = pgtrigger.Update | pgtrigger.Delete

# Both run at commit. A posting is a set of entries, so it can be judged only once all of them are there.
ENTRIES_SUM_TO_ZERO = """
    IF (SELECT COALESCE(SUM(amount_micros), 0) FROM billing_entry WHERE posting_id = NEW.posting_id) <> 0 THEN
        RAISE EXCEPTION 'the entries of posting % do not sum to zero', NEW.posting_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""
POSTING_HAS_ENTRIES = """
    IF NOT EXISTS (SELECT FROM billing_entry WHERE posting_id = NEW.id) THEN
        RAISE EXCEPTION 'posting % has no entries', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""
# A month that has its invoice is closed: what becomes known of it later is a correction in an open one. Whoever closes
# a month and whoever meters hold the organization's wallet, so neither can pass the other.
MONTH_IS_OPEN = """
    IF EXISTS (SELECT FROM billing_invoice
                WHERE organization_id = NEW.organization_id
                  AND period_start = date_trunc('month', NEW.at AT TIME ZONE 'UTC')::date) THEN
        RAISE EXCEPTION 'posting % would be dated %, in a month that is invoiced', NEW.key, NEW.at
              USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
"""
# One statement writes all entries of a posting and with them its link; so nothing can be added to it later.
LINK_INTO_THE_CHAIN = """
    PERFORM billing_chain(ARRAY(SELECT DISTINCT posting_id FROM written));
    RETURN NULL;
"""


class AccountKind(models.TextChoices):
    """What an account holds. Every kind is kept per organization, so that two customers never wait for each other."""

    WALLET = "wallet", "wallet"  # what we owe the customer: prepaid, not used yet
    REVENUE = "revenue", "revenue"  # what the customer has used
    CLEARING = "stripe_clearing", "card payments"  # what the card processor has moved for the customer, negative
    PROMOTIONS = "promotions", "promotional credit"  # what we gave away, negative
    FEES = "processor_fees", "fees of the card processor"  # what it keeps, negative: ours to bear
    ROUNDING = "rounding", "rounding to cents"  # what invoices add to the exact amounts, or leave off
    TAXES = "taxes", "taxes"  # what invoices charge for a tax office
    TRANSFERS = "transfers", "bank transfers"  # what the customer has transferred to our bank, negative
    WRITTEN_OFF = "written_off", "written off"  # what we no longer expect, negative
    ADJUSTMENTS = "adjustments", "adjustments"  # what staff gave (negative) or took, for no lease


class PostingKind(models.TextChoices):
    """Why money moved."""

    TOP_UP = "top_up", "top-up"
    USAGE = "usage", "usage"
    CORRECTION = "usage_correction", "usage correction"
    REFUND = "refund", "refund to card"
    REFUND_FAILED = "refund_failed", "refund that failed"
    CREDIT = "credit", "promotional credit"
    CREDIT_LAPSED = "credit_lapsed", "promotional credit that ended"
    EARLY_RETURN = "early_return", "fee for handing back early"
    CANCELLATION = "cancellation", "cancellation fee"
    RESALE_CREDIT = "resale_credit", "credit for resold time"
    PROCESSOR_FEE = "processor_fee", "fee of the card processor"
    ROUNDING = "rounding", "rounding of an invoice to cents"
    TAX = "tax", "tax of an invoice"
    TRANSFER = "transfer", "bank transfer"
    CREDIT_NOTE = "credit_note", "credit note"
    WRITE_OFF = "write_off", "write-off"
    CARD_INVOICE = "card_invoice", "monthly invoice paid by card"
    CARD_TAX = "card_tax", "tax of a monthly invoice by card"
    ADJUSTMENT = "adjustment", "adjustment"
    DISPUTE = "dispute", "disputed payment taken back"
    DISPUTE_RETURNED = "dispute_returned", "disputed payment returned"
    PROMISE_CREDIT = "promise_credit", "credit for a promise not kept"


# What is posted for a lease besides its use, and the kind of line that an invoice has it on.
BESIDES_USE: Mapping[PostingKind, str] = {
    PostingKind.EARLY_RETURN: "fee",
    PostingKind.CANCELLATION: "fee",
    PostingKind.RESALE_CREDIT: "credit",
    PostingKind.PROMISE_CREDIT: "promise",
    PostingKind.ADJUSTMENT: "adjust",
}


class LedgerAccount(models.Model):
    """One organization's account of one kind. `balance_micros` is the sum of its entries, kept in the same transaction.

    The wallet's row is also the organization's lock on money: whoever moves or promises money locks that row first.
    """

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="ledger_accounts")
    kind = models.CharField(max_length=20, choices=AccountKind)
    balance_micros = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "kind"], name="ledger_account_once")]
        triggers = [pgtrigger.Protect(name="account_is_kept", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.organization}"


class Posting(models.Model):
    """Money moved once, for one reason. `key` names the fact behind it, so that the fact is never posted twice."""

    public_id = PublicIdField(prefix="le")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="postings")
    kind = models.CharField(max_length=20, choices=PostingKind)
    key = models.CharField(max_length=120, unique=True)
    at = models.DateTimeField()
    lease = models.ForeignKey("leasing.Lease", on_delete=models.PROTECT, null=True, blank=True, related_name="postings")
    payment = models.ForeignKey(
        "billing.Payment", on_delete=models.PROTECT, null=True, blank=True, related_name="postings"
    )
    memo = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-id"], name="posting_by_organization"),
            models.Index(fields=["organization", "at"], name="posting_by_time"),
            models.Index(fields=["organization", "kind", "at"], name="posting_by_kind"),
            models.Index(
                fields=["at"],
                name="posting_besides_use",
                condition=models.Q(kind__in=[kind.value for kind in BESIDES_USE]),
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="posting_is_append_only", operation=APPEND_ONLY),
            pgtrigger.Trigger(
                name="posting_has_entries",
                level=pgtrigger.Row,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func=POSTING_HAS_ENTRIES,
            ),
            pgtrigger.Trigger(
                name="usage_is_posted_into_an_open_month",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Condition("NEW.kind IN ('usage', 'usage_correction')"),
                func=MONTH_IS_OPEN,
            ),
        ]

    def __str__(self) -> str:
        return self.key


class Entry(models.Model):
    """
    One account's part of a posting. Positive raises the account's balance to `balance_micros`. All entries of a posting
    are inserted by one statement.
    """

    posting = models.ForeignKey(Posting, on_delete=models.PROTECT, related_name="entries")
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="entries")
    amount_micros = models.BigIntegerField()
    balance_micros = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["account", "-id"], name="entry_by_account")]
        constraints = [
            models.UniqueConstraint(fields=["posting", "account"], name="entry_once_per_account"),
            models.CheckConstraint(condition=~models.Q(amount_micros=0), name="entry_moves_money"),
        ]
        triggers = [
            pgtrigger.Protect(name="entry_is_append_only", operation=APPEND_ONLY),
            pgtrigger.Trigger(
                name="entries_sum_to_zero",
                level=pgtrigger.Row,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func=ENTRIES_SUM_TO_ZERO,
            ),
            pgtrigger.Trigger(
                name="entries_link_their_posting",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="written"),  # type: ignore[no-untyped-call]
                func=LINK_INTO_THE_CHAIN,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_micros} to {self.account}"


class Link(models.Model):
    """
    A posting's place in the chain of its organization: `number` counts from 1 without a gap, and `hash` is the SHA-256
    of the number, the hash before it (32 zero bytes for the first) and the facts of the posting and its entries, as
    `billing_posting_facts` in the database writes them. Written by the database itself, whoever posts, in the same
    statement as the entries. `billing.queries.chain` verifies it: who changes, removes or slips in a row past all
    triggers has to change every link behind it.
    """

    posting = models.OneToOneField(Posting, primary_key=True, on_delete=models.PROTECT, related_name="link")
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    number = models.BigIntegerField()
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "number"], name="link_number_once")]
        triggers = [pgtrigger.Protect(name="link_is_append_only", operation=APPEND_ONLY)]

    def __str__(self) -> str:
        return f"{self.number}: {bytes(self.hash).hex()}"
