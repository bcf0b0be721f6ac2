"""Typed readers of the environment. Every error says which variable and what it may be."""

import os
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured

# Nobody may hold others up for long: neither waiting for a lock nor idle inside a transaction.
PATIENCE = "-c lock_timeout=30s -c idle_in_transaction_session_timeout=60s"
# Each of pgtrigger's triggers asks for this setting. Where it is unset, asking is a subtransaction that fails, which
# takes longer the more deferred triggers wait: 100,000 postings of one transaction would never end.
NO_TRIGGER_IGNORED = "-c pgtrigger.ignore={}"
# What is prepared (accounts.prepared, and statements in functions) is planned for all values at once. Left to itself
# the server thinks a plan for just these values cheaper as soon as an array has one element, and plans each time anew:
# that took a search twice as long as answering.
PLANNED_ONCE = "-c plan_cache_mode=force_generic_plan"


def text(name: str, default: str | None = None) -> str:
    """The variable's text; without a default, its absence is an error."""
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set. Start through ./run (which sets it), or set it yourself.")
    return value


def lines(name: str, default: str) -> str:
    """Text of several lines, written with \\n between them."""
    return text(name, default).replace("\\n", "\n")


def flag(name: str) -> bool:
    """True for "1", False for "0" or absent."""
    value = os.environ.get(name, "0")
    if value not in {"0", "1"}:
        raise ImproperlyConfigured(f"{name} must be 0 or 1, not {value!r}.")
    return value == "1"


def number(name: str, default: int) -> int:
    """A whole number, zero or more."""
    value = os.environ.get(name, str(default))
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.")
    return int(value)


def words(name: str, default: str) -> list[str]:
    """The comma-separated words."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def failpoints(name: str, *, allowed: bool) -> list[str]:
    """The named places at which to crash; an error where real customers are served."""
    wanted = words(name, "")
    if wanted and not allowed:
        raise ImproperlyConfigured(f"{name} is for tests. Unset it: BASE_URL is https, so customers are served here.")
    return wanted


def database(name: str) -> dict[str, Any]:
    """Django's DATABASES entry for a postgresql:// URL; the host may be a socket directory in ?host=."""
    parts = urlsplit(text(name))
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ImproperlyConfigured(f"{name} must begin with postgresql://, not {parts.scheme}://.")
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "config.database",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "options": f"{PATIENCE} {NO_TRIGGER_IGNORED} {PLANNED_ONCE}",
            "prepare_threshold": 1,  # of statements through accounts.prepared alone: others are never prepared
            **options,
        },
    }


def redis(name: str, number: int) -> str:
    """The redis://, rediss:// or unix:// URL with its database replaced by this one."""
    parts = urlsplit(text(name))
    if parts.scheme == "unix":
        return f"unix://{parts.path}?{urlencode(dict(parse_qsl(parts.query)) | {'db': number})}"
    if parts.scheme not in {"redis", "rediss"}:
        raise ImproperlyConfigured(f"{name} must begin with redis://, rediss:// or unix://, not {parts.scheme}://.")
    return urlunsplit(parts._replace(path=f"/{number}"))


def broker(name: str) -> str:
    """The same server, database 0, in the words Celery uses for sockets."""
    url = redis(name, 0)
    return url.replace("unix://", "redis+socket://").replace("db=", "virtual_host=") if "unix://" in url else url


def smtp(name: str) -> dict[str, Any]:
    """Django's EMAIL settings for smtp://user:password@host:port or smtps://…; nothing when not set."""
    url = os.environ.get(name, "")
    if not url:
        return {}
    parts = urlsplit(url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must look like smtp://user:password@host:587 or smtps://…:465.")
    implicit = parts.scheme == "smtps"
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if implicit else 587),
        "EMAIL_HOST_USER": parts.username or "",
        "EMAIL_HOST_PASSWORD": parts.password or "",
        "EMAIL_USE_SSL": implicit,
        "EMAIL_USE_TLS": not implicit,
    }
