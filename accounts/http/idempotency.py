"""Retries without doubles: a call's key and answer are committed together with its effect, or not at all."""

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar, cast

from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from accounts.access import Principal, principal_of
from accounts.http.problems import Problem
from accounts.models import IdempotencyKey

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
        with transaction.atomic():
            row, is_first = _claim(principal, key, _hash_of(request))
            if not is_first:
                return _replay(row, _hash_of(request))
            response = handler(view, request, *args, **kwargs)
            if 200 <= response.status_code < 300:
                row.status, row.body = response.status_code, json.dumps(response.data, cls=JSONEncoder)
                row.save(update_fields=["status", "body"])
            else:
                transaction.set_rollback(True)
        return response

    wrapped.idempotent = True  # type: ignore[attr-defined]
    return cast(Handler[View, P], wrapped)


def _claim(principal: Principal, key: str, request_hash: str) -> tuple[IdempotencyKey, bool]:
    """The key's row and whether this call made it. The unique index decides between two first calls."""
    scope = {"organization": principal.organization, "actor": principal.actor, "key": key}
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{WAIT_MILLISECONDS}ms"])
            row, is_first = IdempotencyKey.objects.get_or_create(**scope, defaults={"request_hash": request_hash})
            cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
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
    return row, is_first


def _replay(row: IdempotencyKey, request_hash: str) -> Response:
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
