"""Staff name a customer, and a lease of it, in a form: by what they know of the name, among thousands."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Organization
from billing import operations
from billing.models import Adjustment, BillingAccount, BillingMode
from billing.queries.customers import id_in, named
from leasing.models import Lease
from marketplace.models import Offer
from tests import factories
from tests.accounts.cast import a_browser
from tests.billing.conftest import running
from tests.leasing.test_fleet_pages import a_member_of_staff, text

pytestmark = pytest.mark.django_db
NEW = "/operations/adjustments/new/"
SAID = {"amount": "25", "words": "Sorry for the wait.", "reason": "call"}


@pytest.fixture
def staff(db: None) -> Client:
    return a_browser(a_member_of_staff("add_adjustment", "change_billingaccount", "view_adjustment", "view_lease"))


@pytest.fixture
def limited(acme: Organization) -> Organization:
    """A namesake, nearly."""
    return factories.an_organization("Acme Limited")


@pytest.fixture
def lease(acme: Organization, offer: Offer) -> Lease:
    return running(acme, offer)


def options(page: Any) -> list[str]:
    """What is proposed, as it would be filled in."""
    return [part.split('"')[0] for part in page.content.decode().split('<option value="')[1:]]


def test_a_name_an_id_or_what_was_proposed_takes_the_one_that_is_meant(
    staff: Client, acme: Organization, limited: Organization
) -> None:
    for number, written in enumerate((acme.public_id, named(acme), "acme robotics"), start=1):
        staff.post(NEW, {"organization": written, **SAID})
        assert Adjustment.objects.filter(organization=acme).count() == number


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("acme", "2 fit “acme”: choose one from the list, such as Acme Limited."),
        ("robot", "Do you mean Acme Robotics? Choose it from the list."),
        ("nobody", "There is no organization nobody. Write a part of its name."),
    ],
)
def test_a_part_of_a_name_takes_nobody_and_proposes_who_fits(
    staff: Client, acme: Organization, limited: Organization, written: str, said: str
) -> None:
    page = staff.post(NEW, {"organization": written, **SAID})
    assert said in text(page) and f'value="{written}"' in page.content.decode()
    assert "Sorry for the wait." in page.content.decode()  # nothing typed is lost
    assert not Adjustment.objects.exists()
    fits = {"acme": [limited, acme], "robot": [acme], "nobody": []}[written]
    assert options(page) == [named(row) for row in fits]


def test_two_of_one_name_are_told_apart_by_their_ids(staff: Client, acme: Organization) -> None:
    twin = factories.an_organization(acme.name)
    assert "2 fit" in text(staff.post(NEW, {"organization": acme.name, **SAID}))
    staff.post(NEW, {"organization": named(twin), **SAID})
    assert Adjustment.objects.get().organization == twin


def test_a_name_that_looks_like_anothers_id_takes_nobody(staff: Client, acme: Organization) -> None:
    factories.an_organization(f"Rogue ({acme.public_id})")
    assert "2 fit" in text(staff.post(NEW, {"organization": f"Rogue ({acme.public_id})", **SAID}))
    assert not Adjustment.objects.exists()


def test_who_fits_is_proposed_while_one_types_and_no_more_than_twenty(
    staff: Client, acme: Organization, limited: Organization
) -> None:
    Organization.objects.bulk_create(Organization(name=f"Customer {number:02}") for number in range(30))
    assert len(options(staff.get("/operations/suspensions/"))) == 20
    assert options(staff.get("/operations/customers/", {"organization": "LIMI"})) == [named(limited)]
    assert len(options(staff.get("/operations/customers/", {"organization": "customer"}))) == 20
    page = staff.get("/operations/suspensions/", {"organization": "customer"})
    assert "More than 20 fit “customer”" in text(page)


def test_a_transfer_is_of_who_pays_so(acme: Organization, limited: Organization) -> None:
    clerk = a_browser(a_member_of_staff("view_invoice", "add_banktransfer"))
    operations.account_of(acme)
    BillingAccount.objects.filter(organization=acme).update(mode=BillingMode.INVOICED, credit_micros=1)
    page = clerk.get("/operations/receivables/transfer/")
    assert options(page) == [named(acme)] and "/operations/customers/?mode=invoiced" in page.content.decode()
    assert options(clerk.get("/operations/customers/", {"mode": "invoiced", "organization": "acme"})) == [named(acme)]
    refused = text(clerk.post("/operations/receivables/transfer/", {"organization": limited.public_id}))
    assert f"There is no organization {limited.public_id} that pays by transfer." in refused


def test_names_are_for_staff_whose_forms_ask_for_them(acme: Organization, browser: Client) -> None:
    inventory = a_browser(a_member_of_staff("change_machine"))
    for address in ("/operations/customers/", "/operations/customers/leases/"):
        assert [visitor.get(address).status_code for visitor in (browser, inventory)] == [403, 403]


def test_the_admins_page_of_a_lease_leads_to_its_adjustment(staff: Client, lease: Lease, acme: Organization) -> None:
    address = f"{NEW}?lease={lease.public_id}"
    there = f"/admin/leasing/lease/{lease.pk}/change/"
    assert f'href="{address}"' in staff.get(there).content.decode()
    page = staff.get(address)
    assert [page.context["form"][name].value() for name in ("organization", "lease")] == [named(acme), named(lease)]
    assert options(page)[-1] == named(lease) and "until it is given back (UTC), active" in page.content.decode()


def test_leases_are_proposed_of_the_customer_that_is_named(
    staff: Client, lease: Lease, acme: Organization, limited: Organization
) -> None:
    def proposed(**typed: str) -> list[str]:
        return options(staff.get("/operations/customers/leases/", typed))

    assert proposed(organization=named(acme)) == [named(lease)]
    assert proposed(organization=acme.public_id, lease="no such name") == []
    assert proposed(organization=named(limited)) == proposed(organization="acme") == proposed() == []


def test_an_adjustment_names_its_lease_as_proposed_or_by_id(staff: Client, lease: Lease, acme: Organization) -> None:
    for written in (named(lease), lease.public_id):
        staff.post(NEW, {"organization": named(acme), "lease": written, **SAID})
    assert [row.lease for row in Adjustment.objects.all()] == [lease, lease]


def test_a_lease_that_is_not_of_the_customer_is_refused_beside_its_field(
    staff: Client, lease: Lease, acme: Organization, limited: Organization
) -> None:
    for organization, said in ((limited, lease.public_id), (acme, "ls_nobody"), (acme, "training")):
        page = staff.post(NEW, {"organization": organization.public_id, "lease": said, **SAID})
        assert page.context["form"].errors.keys() == {"lease"} and f'value="{said}"' in page.content.decode()
    assert not Adjustment.objects.exists()


def test_an_id_is_read_where_it_ends_a_text() -> None:
    assert [id_in(text) for text in ("og_1x", "Acme (og_1x)", " run (2) (ls_9) ", "Acme", "")] == [
        "og_1x", "og_1x", "ls_9", "Acme", "",
    ]  # fmt: skip
