"""`manage.py seed_demo`: an organization to try everything with, and `demo.json`, which says how to log in.

Safe to run again: what exists stays, and a login whose password demo.json has lost gets a new one.
"""

import json
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.access import ACTIONS
from accounts.clock import now
from accounts.models import Membership, Organization, Role, SSHKey, User
from accounts.operations import add_ssh_key, create_organization, issue_token
from billing.operations import grant

NAME = "Example Labs"
WELCOME_CREDIT_MICROS = 500_000_000
MEMBERS = {"customer": Role.OWNER, "engineer": Role.ENGINEER, "finance": Role.FINANCE}


class Command(BaseCommand):
    """The demonstration. Refuses to run outside the embedded system, because it makes a superuser."""

    help = "Create the demonstration organization, its logins, token, SSH key and credit; write them to demo.json."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.EMBEDDED:
            self.stderr.write("There is a demonstration in the embedded system only: start it with ./run.")
            return
        file = settings.STATE_DIR / "demo.json"
        known: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        with transaction.atomic():
            demo = seed(known, settings.STATE_DIR / "demo_key", now())
        _write_private(file, json.dumps(demo, indent=2).encode() + b"\n")
        self.stdout.write(f"Demonstration: {NAME}; logins, token and key are in {file}.")


def seed(known: dict[str, Any], key_file: Path, at: datetime) -> dict[str, Any]:
    """Make what is missing; what demo.json is to say. `known` is what it says already."""
    people = {name: _person(f"{name}@example.com", known.get(name), name) for name in (*MEMBERS, "admin")}
    owner = User.objects.get(email="customer@example.com")
    organization = _organization(owner, at)
    public_key = _key_pair(key_file)
    if not SSHKey.objects.filter(organization=organization, public_key=" ".join(public_key.split()[:2])).exists():
        actor = owner.actor
        add_ssh_key(organization=organization, actor=actor, user=owner, name="demo", text=public_key, now=at)
    grant(
        organization=organization,
        amount_micros=WELCOME_CREDIT_MICROS,
        key=f"demo:{organization.public_id}",
        memo="Credit to try Gridlease with",
        now=at,
    )
    people["admin"]["totp_secret"] = _staff("admin@example.com", known.get("admin", {}).get("totp_secret"))
    return {
        "base_url": settings.BASE_URL,
        "api_token": known.get("api_token") or _token(organization, owner, at),
        "organization": {"id": organization.public_id, "name": organization.name},
        "ssh_private_key": str(key_file),
        **people,
    }


def _person(email: str, login: dict[str, str] | None, name: str) -> dict[str, str]:
    """A user whose address is confirmed; the login."""
    user = User.objects.filter(email=email).first() or User.objects.create_user(email, name=f"Demo {name.title()}")
    EmailAddress.objects.get_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    if not login or not user.check_password(login["password"]):
        login = {"email": email, "password": secrets.token_urlsafe(9)}
        user.set_password(login["password"])
        user.save(update_fields=["password"])
    return dict(login)


def _organization(owner: User, at: datetime) -> Organization:
    membership = Membership.objects.filter(user=owner).select_related("organization").first()
    organization = membership.organization if membership else create_organization(name=NAME, owner=owner, now=at)
    for name, role in MEMBERS.items():
        user = User.objects.get(email=f"{name}@example.com")
        Membership.objects.get_or_create(organization=organization, user=user, defaults={"role": role})
    return organization


def _staff(email: str, secret: str | None) -> str:
    """Let the user into the admin, which asks for an authenticator; the authenticator's secret."""
    User.objects.filter(email=email).update(is_staff=True, is_superuser=True)
    user = User.objects.get(email=email)
    has_one = Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP)
    if not secret or not has_one.exists():
        has_one.delete()
        secret = generate_totp_secret()
        TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    return secret


def _token(organization: Organization, owner: User, at: datetime) -> str:
    _, text = issue_token(
        organization=organization, user=owner, name="demo", scopes=list(ACTIONS), expires_at=None, now=at
    )
    return text


def _key_pair(file: Path) -> str:
    """The public key of the key pair at this path, made when absent."""
    public = file.with_name(file.name + ".pub")
    if not (file.exists() and public.exists()):
        key = Ed25519PrivateKey.generate()
        _write_private(file, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b" demo\n")
    return public.read_text().strip()


def _write_private(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
