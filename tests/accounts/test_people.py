"""Sign-up makes a person and a company together; staff need a second factor."""

import re

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.apps import apps
from django.contrib import admin
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import APIToken, Event, Organization, User
from tests.accounts.cast import a_browser, a_token

FORM = {
    "organization": "Acme Robotics",
    "name": "Ada Byron",
    "email": "Ada@Example.com",
    "password1": "a long and odd sentence",
    "time_zone": "Africa/Nairobi",
}


def test_sign_up_makes_a_person_and_their_organization_and_asks_for_the_code(client: Client, db: None) -> None:
    answer = client.post(reverse("account_signup"), FORM)
    assert answer.status_code == 302, answer.context["form"].errors
    user = User.objects.get()
    assert (user.email, user.name, user.time_zone) == ("ada@example.com", "Ada Byron", "Africa/Nairobi")
    organization = user.organizations.get()
    assert organization.name == "Acme Robotics"
    assert user.memberships.get().role == "owner"
    assert Event.objects.get(kind="organization.created").subject == organization.public_id
    assert client.get(reverse("organization")).status_code == 302
    code = re.search(r"^\s*([A-Z0-9-]{6,})\s*$", str(mail.outbox[0].body), re.MULTILINE)
    assert code, mail.outbox[0].body
    client.post(reverse("account_email_verification_sent"), {"code": code[1]})
    assert client.get(reverse("organization")).status_code == 200


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd"])
def test_a_browser_that_names_no_known_zone_gets_utc(client: Client, db: None, zone: str) -> None:
    client.post(reverse("account_signup"), {**FORM, "time_zone": zone})
    assert User.objects.get().time_zone == "UTC"


@pytest.mark.parametrize("missing", ["organization", "name", "email", "password1"])
def test_what_is_missing_is_said_beside_its_field_and_nothing_is_made(client: Client, db: None, missing: str) -> None:
    answer = client.post(reverse("account_signup"), {**FORM, missing: ""})
    assert list(answer.context["form"].errors) == [missing]
    assert not User.objects.exists() and not Organization.objects.exists()


def test_if_the_organization_cannot_be_made_neither_is_the_person(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr("accounts.forms.create_organization", broken)
    with pytest.raises(RuntimeError):
        client.post(reverse("account_signup"), FORM)
    assert not User.objects.exists()


def test_signing_up_again_makes_no_second_person_and_does_not_say_that_one_exists(client: Client, ada: User) -> None:
    answer = client.post(reverse("account_signup"), FORM)
    assert answer.status_code == 302
    assert User.objects.count() == 1
    assert not Organization.objects.filter(name="Acme Robotics").exists()


def test_one_address_is_one_account_however_it_is_written(ada: User) -> None:
    assert User.objects.get_by_natural_key(" ADA@example.com ") == ada
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("ADA@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(email="Ada2@example.com")


def staff() -> User:
    return User.objects.create_superuser("staff@example.com", "correct horse battery", name="Staff")


def test_staff_reach_the_admin_only_with_a_second_factor(db: None) -> None:
    user = staff()
    browser = a_browser(user)
    assert browser.get("/admin/").headers["Location"] == reverse("mfa_index")
    assert browser.get("/admin/accounts/event/").headers["Location"] == reverse("mfa_index")
    TOTP.activate(user, generate_totp_secret())
    assert browser.get("/admin/").status_code == 200


def test_customers_do_not_reach_the_admin(acme: Organization, ada: User) -> None:
    answer = a_browser(ada).get("/admin/accounts/event/")
    assert answer.status_code in (302, 403)


def test_staff_see_every_list_and_row_but_no_digest(acme: Organization, ada: User) -> None:
    user = staff()
    TOTP.activate(user, generate_totp_secret())
    browser = a_browser(user)
    a_token(acme, ada)
    for model in apps.get_app_config("accounts").get_models():
        if model not in admin.site._registry:
            continue
        base = f"/admin/accounts/{model._meta.model_name}/"
        assert browser.get(base).status_code == 200
        for row in model._default_manager.all()[:1]:
            page = browser.get(f"{base}{row.pk}/change/")
            assert page.status_code == 200
            assert APIToken.objects.get().digest not in page.content.decode()


def test_staff_cannot_rewrite_the_log(acme: Organization) -> None:
    user = staff()
    TOTP.activate(user, generate_totp_secret())
    browser = a_browser(user)
    event = Event.objects.get()
    assert browser.post(f"/admin/accounts/event/{event.pk}/change/", {"kind": "forged"}).status_code == 403
    assert browser.post(f"/admin/accounts/event/{event.pk}/delete/", {"post": "yes"}).status_code == 403
    assert browser.get("/admin/accounts/event/add/").status_code == 403
