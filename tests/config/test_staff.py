"""The operator's doors: the admin, and the pages for the machine room."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import AnonymousUser, Permission
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from accounts.models import User
from accounts.views import operator_allowed

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


@operator_allowed("leasing.change_machine")
def guarded(request: HttpRequest) -> HttpResponse:
    return HttpResponse("come in")


def ask(rf: RequestFactory, user: User | AnonymousUser) -> HttpResponse:
    """What an operator's page answers to somebody."""
    request = rf.get("/operations/fleet/")
    request.user = user
    SessionMiddleware(lambda _: HttpResponse()).process_request(request)
    MessageMiddleware(lambda _: HttpResponse()).process_request(request)
    return guarded(request)


def test_an_operators_page_opens_for_staff_who_may_and_have_a_second_factor(rf: RequestFactory, staff: User) -> None:
    without = ask(rf, staff)
    assert (without.status_code, without["Location"]) == (302, "/account/2fa/")
    TOTP.activate(staff, generate_totp_secret())
    assert ask(rf, staff).content == b"come in"


def test_an_operators_page_sends_a_visitor_to_log_in_and_back(rf: RequestFactory) -> None:
    assert ask(rf, AnonymousUser())["Location"] == "/account/login/?next=/operations/fleet/"


def test_an_operators_page_refuses_customers_and_staff_without_its_permission(rf: RequestFactory, staff: User) -> None:
    clerk = User.objects.create_user("clerk@example.com", is_staff=True)
    customer = User.objects.create_user("customer@example.com")
    former = User.objects.create_user("former@example.com", is_staff=False, is_superuser=True)
    for user in (clerk, customer, former):
        TOTP.activate(user, generate_totp_secret())
        with pytest.raises(PermissionDenied, match=r"leasing\.change_machine"):
            ask(rf, user)
    clerk.user_permissions.add(Permission.objects.get(codename="change_machine"))
    assert ask(rf, User.objects.get(pk=clerk.pk)).content == b"come in"
