"""The year of billing, with few organizations and two months: what is judged in it is judged here too."""

from pathlib import Path

import pytest

from tests.bench.test_fleet import run


@pytest.mark.timeout(400)
def test_a_small_year_ties_out_at_the_end_of_each_month(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    done = run("billing_year", "--organizations", "12", "--months", "2", "--active", "0.2", tmp=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ledger and invoices apart                                                0 cents") == 2
    for figure in ("ledger and stand-in apart", "the stand-in's meter apart", "rules of the product", "credit notes"):
        assert figure in done.stdout
    assert list(tmp_path.glob("gridlease-bench-*")) == []
