"""
How a tenant gets in and what it finds: keys, variables and failure policy of a lease. What hosts must learn of raises
`Lease.setup_version`; the sweep over ready machines sees to the rest, however long that takes.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import F

from accounts.models import SSHKey
from accounts.operations import record
from accounts.seal import seal
from leasing.models import ENVIRONMENT_BYTES, ENVIRONMENT_PURPOSE, Lease, LeaseKey, OnFailure
from leasing.states import LEASE_OVER, LeaseState

MOST_KEYS = 50
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SetupRefused(Exception):
    """The lease cannot be changed so. `code` is for programs, `message` says why, and the way out."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class BadEnvironment(Exception):
    """Variables that cannot be set. The message names the variable and the limit, never a value."""


@transaction.atomic
def add_key(*, lease: Lease, ssh_key: SSHKey, actor: str, now: datetime) -> LeaseKey:
    """
    Admit one more of the organization's keys, on machines that run too; one that is admitted already changes nothing.

    :raises SetupRefused: `lease_over`, or `too_many_keys`
    """
    lease = _lock(lease)
    known = lease.keys.filter(fingerprint=ssh_key.fingerprint).first()
    if known:
        return known
    if lease.keys.count() >= MOST_KEYS:
        raise SetupRefused("too_many_keys", f"A lease admits {MOST_KEYS} keys at most. Remove one first.")
    added = LeaseKey.objects.create(
        lease=lease, name=ssh_key.name, public_key=ssh_key.public_key, fingerprint=ssh_key.fingerprint
    )
    _changed(lease, "lease.key_added", f"the SSH key “{added.name}” was added", added, actor, now)
    return added


@transaction.atomic
def remove_key(*, lease: Lease, key: LeaseKey, actor: str, now: datetime, even_the_last: bool = False) -> None:
    """
    Admit a key no longer, on machines that run too. One that is gone already changes nothing.

    :raises SetupRefused: `lease_over`; `last_key`, unless that is meant: nobody could log in afterwards
    """
    lease = _lock(lease)
    rows = lease.keys.filter(pk=key.pk)
    if not rows.exists():
        return
    if not even_the_last and lease.keys.count() == 1:
        raise SetupRefused(
            "last_key", "It is the lease's only key: without it nobody can log in. Add another one first, or confirm."
        )
    rows.delete()
    _changed(lease, "lease.key_removed", f"the SSH key “{key.name}” was removed", key, actor, now)


@transaction.atomic
def choose_on_failure(*, lease: Lease, on_failure: OnFailure, actor: str, now: datetime) -> None:
    """
    Say what happens when a node fails under the tenant. It applies from the next failure on.

    :raises SetupRefused: `lease_over`
    """
    lease = _lock(lease)
    if lease.on_failure == on_failure:
        return
    Lease.objects.filter(pk=lease.pk).update(on_failure=on_failure)
    record(
        organization=lease.organization,
        kind="lease.on_failure_chosen",
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name, "on_failure": on_failure},
    )


def check_environment(variables: Mapping[str, str]) -> None:
    """
    Whether the variables can be set on a host.

    :raises BadEnvironment: for a name that is none, a value that is no text, or too much of both
    """
    size = 0
    for name, value in variables.items():
        if not NAME.fullmatch(name):
            raise BadEnvironment(
                f"“{name[:40]}” is not a name: use letters, digits and _, and begin with a letter or _."
            )
        try:
            size += len(name.encode()) + len(value.encode())
        except UnicodeEncodeError as error:
            raise BadEnvironment(f"The value of {name} is not text.") from error
        if "\0" in value:
            raise BadEnvironment(f"The value of {name} contains a NUL character, which no variable can hold.")
    if size > ENVIRONMENT_BYTES:
        raise BadEnvironment(
            f"Names and values may have {ENVIRONMENT_BYTES:,} bytes together, not {size:,}. Let the startup script "
            "fetch more."
        )


def sealed(variables: Mapping[str, str]) -> str:
    """The variables as a lease keeps them; "" for none. Checked before, see `check_environment`."""
    return seal(json.dumps(dict(variables)), purpose=ENVIRONMENT_PURPOSE) if variables else ""


def _lock(lease: Lease) -> Lease:
    row = Lease.objects.select_for_update(of=("self",)).select_related("organization").get(pk=lease.pk)
    if row.state in LEASE_OVER or row.state == LeaseState.RECLAIMING:
        raise SetupRefused("lease_over", "The lease is over: nothing of it can be changed any more.")
    return row


def _changed(lease: Lease, kind: str, words: str, key: LeaseKey, actor: str, now: datetime) -> None:
    Lease.objects.filter(pk=lease.pk).update(setup_version=F("setup_version") + 1)
    record(
        organization=lease.organization,
        kind=kind,
        subject=lease.public_id,
        actor=actor,
        at=now,
        data={"name": lease.name, "key": key.name, "fingerprint": key.fingerprint},
        notice={
            "title": f"{lease.name}: {words}",
            "text": f"At {now:%Y-%m-%d %H:%M:%S} UTC {words} ({key.fingerprint}). Machines that run follow within "
            "seconds. If this was not intended, change the lease's keys, and look at who did it.",
            "path": f"/leases/{lease.public_id}/keys/",
        },
    )
