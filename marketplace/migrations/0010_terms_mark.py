"""
One row says which terms and plans there are: it gets a mark of its own with each statement that writes any of them. The
search asks for it each time, to know that what a process remembers of them still holds (marketplace/queries/terms.py).

A mark and not a number: what was read in a transaction that is undone afterwards must not look like what another one
commits.
"""

from django.db import migrations

MARK = """
    CREATE TABLE marketplace_termsmark (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        mark uuid NOT NULL DEFAULT gen_random_uuid()
    );
    INSERT INTO marketplace_termsmark DEFAULT VALUES;
    CREATE FUNCTION marketplace_mark_terms() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE marketplace_termsmark SET mark = gen_random_uuid();
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER terms_marked AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON marketplace_terms
        FOR EACH STATEMENT EXECUTE FUNCTION marketplace_mark_terms();
    CREATE TRIGGER plans_marked AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON marketplace_plan
        FOR EACH STATEMENT EXECUTE FUNCTION marketplace_mark_terms();
"""
NO_MARK = """
    DROP TRIGGER terms_marked ON marketplace_terms;
    DROP TRIGGER plans_marked ON marketplace_plan;
    DROP FUNCTION marketplace_mark_terms;
    DROP TABLE marketplace_termsmark;
"""


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0009_search")]

    operations = [migrations.RunSQL(MARK, NO_MARK)]
