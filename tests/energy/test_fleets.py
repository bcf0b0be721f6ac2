"""Miners come from a file, whole or not at all; staff see them and type in nothing that only a miner can know."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import seal
from accounts.models import User
from energy.fleets import BadFleet, Taken, take_fleet
from energy.miners import PURPOSE, driver_of
from energy.models import Miner, MinerClass
from marketplace.models import Site
from tests.energy.conftest import some
from tests.factories import HOUR, NOON

pytestmark = pytest.mark.django_db

HEAD = "name,class,address,port,user,password"


def take(site: Site, *lines: str, head: str = HEAD) -> Taken:
    return take_fleet(site=site, text="\n".join([head, *lines]), actor="user:us_tests", now=NOON)


def test_miners_come_and_are_corrected_by_name(site: Site, kind: MinerClass) -> None:
    assert take(site, "A-1,fake,10.0.0.1,,root,hunter2", "A-2,fake,10.0.0.2,4029,,") == Taken(2, 0)
    first = Miner.objects.get(name="A-1")
    assert (first.port, first.asleep, first.since, first.load_watts) == (4028, False, NOON, kind.watts)
    assert "hunter2" not in first.password and seal.unseal(first.password, purpose=PURPOSE) == "hunter2"
    Miner.objects.update(asleep=True, since=NOON + HOUR)
    assert take(site, "A-1,fake,10.0.0.2,4029,,", "A-2,fake,10.0.0.1,,,", "A-3,fake,10.0.0.3,,,") == Taken(1, 2)
    first.refresh_from_db()
    assert (first.address, first.asleep, first.since) == ("10.0.0.2", True, NOON + HOUR), "two have changed places"
    assert seal.unseal(first.password, purpose=PURPOSE) == "hunter2", "an empty password leaves the one that there is"
    assert driver_of(first)


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        (["A-1,s99,10.0.0.1,,,"], ["line 2, class: There is no such class of miners. There are: fake."]),
        (["A-1,fake,8.8.8.8,,,"], ["line 2, address: It is in none of the networks of miners (MINER_NETWORKS)."]),
        (["A-1,fake,127.0.0.1,,,"], ["line 2, address: It is in none of the networks of miners (MINER_NETWORKS)."]),
        (["A-1,fake,miner.example,,,"], ["line 2, address: Use an IP address."]),
        (["A-1,fake,10.0.0.1,70000,,"], ["line 2, port: A port is a number from 1 to 65535."]),
        (["A-1,fake,10.0.0.1,²,,"], ["line 2, port: A port is a number from 1 to 65535."]),
        ([",fake,10.0.0.1,,,"], ["line 2, name: Say where it stands, such as A-07-3-12."]),
        (["A-1,fake,10.0.0.1,,,", "A-1,fake,10.0.0.2,,,"], ["line 3, name: A-1 is in the file twice."]),
        (["A-1,fake,10.0.0.9,,,"], ["A-1, address: fake-08 is at 10.0.0.9 port 4028, too."]),
        (["A-1,fake,10.0.0.1,,,,"], ["line 2: more values than there are columns."]),
        ([], ["The file names 0 miners; take 1 to 50,000."]),
    ],
)
def test_a_file_with_a_mistake_is_refused_by_line_and_column(
    site: Site, kind: MinerClass, lines: Sequence[str], errors: Sequence[str]
) -> None:
    some(site, kind, 9)
    with pytest.raises(BadFleet) as told:
        take(site, *lines)
    assert list(told.value.errors) == errors
    assert Miner.objects.count() == 9


def test_columns_are_known(site: Site) -> None:
    with pytest.raises(BadFleet, match="there is no column mac"):
        take(site, "A-1,x", head="name,mac")
    with pytest.raises(BadFleet, match="the column class and address is missing"):
        take(site, "A-1", head="name")


def test_the_command_takes_a_file(site: Site, kind: MinerClass, tmp_path: Path) -> None:
    file = tmp_path / "miners.csv"
    file.write_text(f"{HEAD}\nA-1,fake,10.0.0.1,,,\n")
    call_command("import_miners", site=site.slug, csv=file, stdout=StringIO())
    assert Miner.objects.get().name == "A-1"
    with pytest.raises(CommandError, match="there is no site 'nowhere'"):
        call_command("import_miners", site="nowhere", csv=file)
    file.write_text("name\n")
    with pytest.raises(CommandError, match="is missing"):
        call_command("import_miners", site=site.slug, csv=file)


def test_staff_see_miners_and_type_in_no_state(site: Site, kind: MinerClass) -> None:
    (miner,) = some(site, kind, 1, detail="<script>alert(1)</script>", outcome="lied")
    user = User.objects.create_superuser("staff@example.com", "correct horse battery", name="Staff")
    TOTP.activate(user, generate_totp_secret())
    staff = Client()
    staff.force_login(user)
    for model, row in (("minerclass", kind.pk), ("miner", miner.pk)):
        assert staff.get(f"/admin/energy/{model}/?q=fake").status_code == 200
        page = staff.get(f"/admin/energy/{model}/{row}/change/")
        assert page.status_code == 200 and "<script>alert(1)" not in page.content.decode()
    form = {"user": "root", "controlled": "on", "asleep": "on", "outcome": "obeyed", "load_watts": "1"}
    assert staff.post(f"/admin/energy/miner/{miner.pk}/change/", form).status_code == 302
    miner.refresh_from_db()
    assert (miner.user, miner.asleep, miner.outcome, miner.load_watts) == ("root", False, "lied", 3500)
    assert staff.get("/admin/energy/miner/add/").status_code == 403
