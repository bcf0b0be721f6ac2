"""
`manage.py grant_application`: gives the application's role what it needs of the database, and no more.

What is append-only by trigger is so by privilege too: a table whose rows are protected from a statement cannot be
asked for it. So no mistake and no intruder in the application can rewrite the ledger; only the tables' owner could, who
runs migrations and nothing else.
"""

from collections.abc import Iterator
from typing import Any

import pgtrigger
from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.db.models import Model

KINDS = ((pgtrigger.Update, "UPDATE"), (pgtrigger.Delete, "DELETE"))
# Pieces of these are made and dropped as time goes by, which only their owner may.
PARTITIONED = """
    SELECT oid::regclass::text FROM pg_class WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace
     UNION ALL
    SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhparent
     WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace
"""


class Command(BaseCommand):
    """Run as the owner of the tables, after each `migrate`. Doing it again changes nothing."""

    help = "Grant the application's database role what it needs, and no more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", nargs="?", default=settings.DATABASE_ROLE, help="The user of DATABASE_URL.")

    @transaction.atomic
    def handle(self, *args: Any, role: str, **options: Any) -> None:
        quoted = connection.ops.quote_name(role)
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user, EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [role])
            owner, known = cursor.fetchone() or ("", False)
            if role == owner:
                raise CommandError(f"{role} owns the tables. Set DATABASE_OWNER_URL to another user's URL.")
            if not known:
                cursor.execute(f"CREATE ROLE {quoted} LOGIN")
            for statement in _statements(quoted):
                cursor.execute(statement)
            cursor.execute(PARTITIONED)
            for (table,) in cursor.fetchall():
                cursor.execute(f"ALTER TABLE {table} OWNER TO {quoted}")


def _statements(role: str) -> Iterator[str]:
    yield f"GRANT USAGE, CREATE ON SCHEMA public TO {role}"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    yield f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}"
    for model in apps.get_models():
        for privilege in refused(model):
            yield f"REVOKE {privilege} ON {connection.ops.quote_name(model._meta.db_table)} FROM {role}"


def refused(model: type[Model]) -> list[str]:
    """The statements that no row of the table may ever see, by its triggers."""
    whole = [
        trigger.operation
        for trigger in getattr(model._meta, "triggers", ())
        if isinstance(trigger, pgtrigger.Protect) and trigger.condition is None
    ]
    return [word for kind, word in KINDS if any(operation and kind in operation for operation in whole)]
