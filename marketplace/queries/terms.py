"""Which terms hold when."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import BigIntegerField, DateTimeField, Field, JSONField, Q, QuerySet

from accounts.models import Given, Organization, Statement
from accounts.prepared import prepared
from marketplace.models import Plan, Terms


def plans_open_to(organization: Organization | None) -> QuerySet[Plan]:
    """Plans for everybody, and private ones that the organization has access to."""
    public = Q(private=False)
    return Plan.objects.filter(
        public if organization is None else public | Q(pk__in=organization.private_plans.values("plan"))
    )


def terms_of(*, plan: Plan, at: datetime) -> Terms:
    """
    The terms on which a lease ordered at a moment is.

    :raises Terms.DoesNotExist: if the plan had none yet
    """
    found = AT.first(plan=plan.pk, at=at)
    if found is None:
        raise Terms.DoesNotExist
    return found


AT = Statement(
    lambda: (
        Terms.objects.select_related("plan")
        .filter(plan=Given("plan", BigIntegerField()), starts_at__lte=Given("at", DateTimeField()))
        .order_by("-starts_at")[:1]
    )
)


def all_terms(*, at: datetime, plan: str | None = None) -> dict[int, Terms]:
    """The terms in force of every plan, or of the one of a slug, by the plan's key, in the plans' order. One query."""
    with prepared() as cursor:
        cursor.execute(IN_FORCE, {"at": at, "plan": plan})
        return {row[0]: _terms(row[1:]) for row in cursor.fetchall()}


def _terms(values: Sequence[Any]) -> Terms:
    terms = Terms.from_db(DEFAULT_DB_ALIAS, [field.attname for field in TERMS], values[: len(TERMS)])
    terms.plan = Plan.from_db(DEFAULT_DB_ALIAS, [field.attname for field in PLAN], values[len(TERMS) :])
    return terms


TERMS, PLAN = Terms._meta.concrete_fields, Plan._meta.concrete_fields


def _columns(table: str, fields: Sequence[Field[Any, Any]]) -> str:
    return ", ".join(f"{table}.{field.column}{'::json' * isinstance(field, JSONField)}" for field in fields)


IN_FORCE = """
    SELECT plan.id, {}, {}
      FROM marketplace_plan AS plan
     CROSS JOIN LATERAL (
           SELECT * FROM marketplace_terms WHERE plan_id = plan.id AND starts_at <= %(at)s::timestamptz
            ORDER BY starts_at DESC LIMIT 1) AS terms
     WHERE %(plan)s::text IS NULL OR plan.slug = %(plan)s::text
     ORDER BY plan.position, plan.slug
""".format(_columns("terms", TERMS), _columns("plan", PLAN))  # noqa: S608  our own names


def all_announced(*, at: datetime) -> dict[int, list[Terms]]:
    """Terms that will hold later, soonest first, by the plan's key. One query."""
    found: dict[int, list[Terms]] = defaultdict(list)
    for terms in Terms.objects.filter(starts_at__gt=at, announced_at__lte=at).order_by("starts_at"):
        found[terms.plan_id].append(terms)
    return found
