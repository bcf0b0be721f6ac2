"""Movements of the wallet: filtered, one by one, as statements, and as files."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from accounts.access import principal_of
from accounts.clock import now
from accounts.models import Organization
from accounts.views import allowed
from billing.models import CreditGrant, Posting, PostingKind
from billing.queries.credit import left_of
from billing.queries.statements import GROUPED_BY, Group, Statement, movements, statement, summed
from billing.queries.taxes import tax_at
from billing.serializers.exports import as_csv, as_json
from billing.serializers.statements import LedgerFilter, StatementFilter, asked_of

ENTRIES_PER_PAGE = 50


@allowed("money:read")
def ledger(request: HttpRequest) -> HttpResponse:
    """Every movement, newest first, and their sum; those of a lease, a project, some days, a kind or an invoice."""
    own = principal_of(request).organization
    asked = {name: value for name, value in request.GET.items() if value and name != "page"}
    wanted = LedgerFilter(data=asked)
    entries = movements(organization=own, **wanted.validated_data) if wanted.is_valid() else movements(organization=own)
    context = {
        "sums": summed(entries),
        "page": Paginator(entries, ENTRIES_PER_PAGE).get_page(request.GET.get("page")),
        "asked": asked,
        "narrowed": [(name, asked[name]) for name in ("without", "invoice", "line") if name in asked],
        "errors": wanted.errors,
        "kinds": PostingKind.choices,
        "query": urlencode(asked),
    }
    return render(request, "billing/ledger.html", context)


@allowed("money:read")
def movement(request: HttpRequest, id: str) -> HttpResponse:
    """One posting: what it did to every account, what is behind it, and its link in the chain."""
    mine = Posting.objects.filter(organization=principal_of(request).organization)
    found = get_object_or_404(mine.select_related("lease", "payment", "link", "credit_grant"), public_id=id)
    grant: CreditGrant | None = getattr(found, "credit_grant", None)
    context = {
        "posting": found,
        "entries": found.entries.select_related("account").order_by("account__kind"),
        "credit": left_of(grant) if grant else None,
        "hash": bytes(found.link.hash).hex(),
        "previous_hash": bytes(found.link.previous_hash).hex(),
    }
    return render(request, "billing/movement.html", context)


@allowed("money:read")
def statement_page(request: HttpRequest) -> HttpResponse:
    """A span of days, this month if none is said: opening balance, what moved, closing balance."""
    wanted = _wanted(request)
    own = principal_of(request).organization
    context: dict[str, Any] = {"asked": wanted.initial_data, "errors": wanted.errors, "grouped_by": GROUPED_BY}
    context["tax"] = tax_at(organization=own, end=now()).rule
    if wanted.is_valid():
        found = statement(organization=own, **wanted.validated_data)
        context |= {
            "statement": found,
            "groups": [(group, _behind(found, group), _day(found, group)) for group in found.groups],
        }
    return render(request, "billing/statement.html", context)


@allowed("money:read")
def statement_csv(request: HttpRequest) -> HttpResponse:
    """Its movements as CSV."""
    return _file(request, "csv", "text/csv; charset=utf-8")


@allowed("money:read")
def statement_json(request: HttpRequest) -> HttpResponse:
    """It and its movements as JSON."""
    return _file(request, "json", "application/json")


def _behind(found: Statement, group: Group) -> str:
    """What asks for the movements that a group of a statement is the sum of."""
    own = {found.by: group.key} if group.key else {"without": found.by}
    return urlencode({**own, "since": found.since, "until": found.until})


def _day(found: Statement, group: Group) -> date | None:
    """Of a group by day."""
    return date.fromisoformat(group.key) if found.by == "day" else None


def _wanted(request: HttpRequest) -> StatementFilter:
    wanted = StatementFilter(data=asked_of(request.GET, now=now()))
    wanted.is_valid()
    return wanted


def _file(request: HttpRequest, kind: str, content_type: str) -> HttpResponse:
    wanted = _wanted(request)
    if wanted.errors:
        return HttpResponse(f"{wanted.errors}\n", content_type="text/plain; charset=utf-8", status=400)
    span = {name: wanted.validated_data[name] for name in ("since", "until")}
    name = f"statement-{span['since']}-{span['until']}.{kind}"
    answer = HttpResponse(content_type=content_type, headers={"Cache-Control": "private, no-store"})
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.writelines(_lines(principal_of(request).organization, kind, span, wanted.validated_data["by"]))
    return answer


def _lines(own: Organization, kind: str, span: dict[str, Any], by: str) -> Iterator[str]:
    rows = movements(organization=own, **span).iterator(chunk_size=1000)
    return as_csv(rows) if kind == "csv" else as_json(statement(organization=own, by=by, **span), rows)
