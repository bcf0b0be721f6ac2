"""Which terms hold when."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import BigIntegerField, DateTimeField, Field, JSONField, Q, QuerySet

from accounts.models import Given, Organization, Statement
from accounts.prepared import ask
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
    return {row[0]: _terms(row[1:]) for row in ask(IN_FORCE, {"at": at, "plan": plan})}


@dataclass(frozen=True)
class Remembered:
    """The terms of every plan as this process has read them, and the database's mark of what it read."""

    mark: str
    versions: tuple[Terms, ...]  # in the plans' order, of each plan those that start last first

    def in_force(self, *, at: datetime, plan: str | None = None) -> dict[int, Terms]:
        """As `all_terms` says, if they are still what the database has."""
        found: dict[int, Terms] = {}
        for terms in self.versions:
            if terms.starts_at <= at and plan in (None, terms.plan.slug):
                found.setdefault(terms.plan_id, terms)
        return found


class Changed(Exception):
    """Terms or plans are not those any more that were remembered: read them anew."""


_remembered: Remembered | None = None


def remembered() -> Remembered:
    """
    Terms without asking the database for them, once they were read. Whoever uses them looks at the MARK in the
    statement that they are used in, and where it is another one calls `remember` and begins again.
    """
    return _remembered or remember()


def remember() -> Remembered:
    """The terms as they are now, for those who ask for them later too. One query."""
    global _remembered  # noqa: PLW0603  one for the process: replaced as a whole, and checked at every use
    rows = ask(VERSIONS)
    found = tuple(_terms(values) for _, *values in rows if values[0] is not None)  # one row of nothing: there are none
    _remembered = Remembered(rows[0][0], found)
    return _remembered


def current_mark() -> str:
    """That of the terms and plans that the database has now, for an answer without a row that says it. One query."""
    [(mark,)] = ask(f"SELECT {MARK}")
    return str(mark)


def _terms(values: Sequence[Any]) -> Terms:
    terms = Terms.from_db(DEFAULT_DB_ALIAS, [field.attname for field in TERMS], values[: len(TERMS)])
    terms.plan = Plan.from_db(DEFAULT_DB_ALIAS, [field.attname for field in PLAN], values[len(TERMS) :])
    return terms


TERMS, PLAN = Terms._meta.concrete_fields, Plan._meta.concrete_fields


def _columns(table: str, fields: Sequence[Field[Any, Any]]) -> str:
    return ", ".join(f"{table}.{field.column}{'::json' * isinstance(field, JSONField)}" for field in fields)


COLUMNS = f"{_columns('terms', TERMS)}, {_columns('plan', PLAN)}"
IN_FORCE = f"""
    SELECT plan.id, {COLUMNS}
      FROM marketplace_plan AS plan
     CROSS JOIN LATERAL (
           SELECT * FROM marketplace_terms WHERE plan_id = plan.id AND starts_at <= %(at)s::timestamptz
            ORDER BY starts_at DESC LIMIT 1) AS terms
     WHERE %(plan)s::text IS NULL OR plan.slug = %(plan)s::text
     ORDER BY plan.position, plan.slug
"""  # noqa: S608  our own names
# Another one as soon as any row of the two tables is written, made or removed: see migration 0010.
MARK = "(SELECT mark::text FROM marketplace_termsmark)"
VERSIONS = f"""
    SELECT mark.value, {COLUMNS}
      FROM (SELECT {MARK} AS value) AS mark
      LEFT JOIN (marketplace_terms AS terms JOIN marketplace_plan AS plan ON plan.id = terms.plan_id) ON true
     ORDER BY plan.position, plan.slug, terms.starts_at DESC
"""  # noqa: S608  our own names


def open_terms(organization: Organization | None, *, at: datetime, plan: str | None = None) -> list[Terms]:
    """In force on the plans that are open to the organization, or on the one of them that is named. Two queries."""
    mine = set(plans_open_to(organization).values_list("pk", flat=True))
    return [terms for key, terms in all_terms(at=at, plan=plan).items() if key in mine]


def all_announced(*, at: datetime) -> dict[int, list[Terms]]:
    """Terms that will hold later, soonest first, by the plan's key. One query."""
    found: dict[int, list[Terms]] = defaultdict(list)
    for terms in Terms.objects.filter(starts_at__gt=at, announced_at__lte=at).order_by("starts_at"):
        found[terms.plan_id].append(terms)
    return found
