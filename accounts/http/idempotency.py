"""Retries without doubles: a call's key and answer are committed together with its effect, or not at all."""

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar, cast

from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from accounts.access import Principal, principal_of
from accounts.http.problems import Problem
from accounts.models import IdempotencyKey
from accounts.prepared import ask

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST_KEY = 255
WAIT_MILLISECONDS = 1000  # how long a second call waits for the first before it is told to come back

View = TypeVar("View")
P = ParamSpec("P")
Handler = Callable[Concatenate[View, Request, P], Response]


def idempotent(handler: Handler[View, P]) -> Handler[View, P]:
    """Make a view method safe to retry under the client's `Idempotency-Key`.

    The handler runs inside the transaction that holds the key, so it must do its whole work there and no network
    calls. Only 2xx answers are kept and replayed; any other answer or exception undoes key and effect alike.

    :raises Problem: 400 without a usable key, 409 while the first call runs, 422 when the key had another request
    """

    @functools.wraps(handler)
    def wrapped(view: View, request: Request, *args: P.args, **kwargs: P.kwargs) -> Response:
        key = _key_of(request)
        principal = principal_of(request)
        request_hash = _hash_of(request)
        with transaction.atomic():
            claimed = _claim(principal, key, request_hash)
            if claimed is None:
                return _replay(principal, key, request_hash)
            response = handler(view, request, *args, **kwargs)
            if 200 <= response.status_code < 300:
                body = json.dumps(response.data, cls=JSONEncoder)
                _keep(claimed, response.status_code, body)
            else:
                transaction.set_rollback(True)
        return response

    wrapped.idempotent = True  # type: ignore[attr-defined]
    return cast(Handler[View, P], wrapped)


# The wait for a first call that still runs is short, and what follows waits as long as usual again. Where there is no
# row to return nothing follows but the answer of the first call.
CLAIM = """
    WITH patience AS MATERIALIZED (
        SELECT current_setting('lock_timeout') AS usual, set_config('lock_timeout', %s, true) AS short)
    INSERT INTO accounts_idempotencykey (organization_id, actor, key, request_hash, body)
    SELECT %s, %s, %s, %s, '' FROM patience
    ON CONFLICT (organization_id, actor, key) DO NOTHING
    RETURNING id, (SELECT set_config('lock_timeout', usual, true) FROM patience)
"""


def _claim(principal: Principal, key: str, request_hash: str) -> int | None:
    """The id of the key's row if this call made it. The unique index decides between two first calls."""
    given: list[str | int] = [f"{WAIT_MILLISECONDS}ms", principal.organization.pk, principal.actor, key, request_hash]
    try:
        made = ask(CLAIM, given)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise Problem(
            409,
            "idempotency_in_progress",
            "Still in progress",
            "A call with this Idempotency-Key is running. Repeat this one in a second to get its answer.",
            retry_after_seconds=1,
        ) from error
    return int(made[0][0]) if made else None


def _keep(claimed: int, status: int, body: str) -> None:
    ask("UPDATE accounts_idempotencykey SET status = %s, body = %s WHERE id = %s", [status, body, claimed])


def _replay(principal: Principal, key: str, request_hash: str) -> Response:
    row = IdempotencyKey.objects.get(organization=principal.organization, actor=principal.actor, key=key)
    if row.request_hash != request_hash:
        raise Problem(
            422,
            "idempotency_key_reused",
            "Key used for another request",
            f"This {HEADER} was used with another method, path or body. Use a fresh key for a new request.",
        )
    return Response(json.loads(row.body), status=row.status, headers={REPLAYED: "true"})


def _key_of(request: Request) -> str:
    key = str(request.headers.get(HEADER, ""))
    if not key:
        raise Problem(
            400,
            "idempotency_key_required",
            "Idempotency-Key required",
            f"Send the header {HEADER} with a fresh random value, such as a UUID, and repeat it when you retry.",
        )
    if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise Problem(
            400,
            "idempotency_key_invalid",
            "Idempotency-Key not usable",
            f"{HEADER} must be 1 to {LONGEST_KEY} printable ASCII characters.",
        )
    return key


def _hash_of(request: Request) -> str:
    canonical = json.dumps([request.method, request.path, request.data], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
