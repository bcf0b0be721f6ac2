"""The admin's door."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("staff@example.com")


def test_a_visitor_is_sent_to_the_sites_own_login(client: Client) -> None:
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/account/login/?next=")


def test_a_customer_is_refused(client: Client) -> None:
    client.force_login(User.objects.create_user("customer@example.com"))
    assert client.get("/admin/", follow=True).status_code == 403


def test_staff_without_a_second_factor_are_told_to_add_one(client: Client, staff: User) -> None:
    client.force_login(staff)
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == "/account/2fa/"
    assert "Set up a second factor first" in response.content.decode()


def test_staff_with_a_second_factor_come_in_under_the_admins_own_policy(client: Client, staff: User) -> None:
    TOTP.activate(staff, generate_totp_secret())
    client.force_login(staff)
    response = client.get("/admin/")
    assert response.status_code == 200
    assert "'unsafe-eval'" in response["Content-Security-Policy"]


def test_no_page_outside_the_admin_may_run_inline_or_evaluated_code(client: Client) -> None:
    policy = client.get("/account/login/")["Content-Security-Policy"]
    assert "script-src 'self';" in policy + ";"
    assert "unsafe" not in policy
