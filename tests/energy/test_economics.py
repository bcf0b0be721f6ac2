"""What a megawatt-hour is worth: published figures, and units."""

import pytest

from energy import economics
from energy.economics import energy_floor, gpu_worth, hash_price, mining_revenue, mining_worth, peak_hour_worth


@pytest.mark.parametrize(
    ("btc_usd", "difficulty", "published"),
    [(91_132, 148.26e12, 39.53), (78_600, 141.67e12, 34.8)],
    ids=["2026-01-12", "2026-01-31"],
)
def test_hash_price_is_within_two_percent_of_the_hashrate_index(
    btc_usd: float, difficulty: float, published: float
) -> None:
    assert hash_price(btc_usd=btc_usd, difficulty=difficulty) == pytest.approx(published, rel=0.02)


def test_a_month_of_a_real_fleet_finds_the_coins_that_it_reported() -> None:
    """Cango, December 2025: 43.36 EH/s for 31 days at a difficulty of 148.2 T found 569 BTC."""
    a_day = hash_price(btc_usd=1.0, difficulty=148.2e12)  # of one PH/s, in BTC
    assert 43_360 * 31 * a_day == pytest.approx(569, rel=0.01)


@pytest.mark.parametrize(("joules", "published"), [(17, 97), (22, 75), (32, 51)])
def test_mining_earns_by_efficiency_what_the_hashrate_index_says(joules: float, published: float) -> None:
    """Hashrate Index, 2026-01-12, $/MWh of machines under 19, of 19 to 25 and of 25 to 38 J/TH."""
    assert mining_revenue(hash_price=39.53, joules_per_terahash=joules) == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize(("joules", "worth"), [(9.5, 165), (13.5, 115), (17.5, 89), (21.5, 72), (29.5, 52)])
def test_a_mining_class_breaks_even_at(joules: float, worth: float) -> None:
    assert mining_worth(hash_price=40, joules_per_terahash=joules) == pytest.approx(worth, abs=0.6)


@pytest.mark.parametrize(
    ("usd", "kw", "worth"), [(0.35, 0.55, 509), (2.35, 1.275, 1475), (4.00, 1.7875, 1790)], ids=["4090", "H100", "B200"]
)
def test_a_gpu_lease_is_worth(usd: float, kw: float, worth: float) -> None:
    assert gpu_worth(usd_per_gpu_hour=usd, kw_per_gpu=kw) == pytest.approx(worth, abs=1)


def test_energy_in_a_gpu_hour_and_the_hour_of_a_coincident_peak() -> None:
    assert energy_floor(usd_per_mwh=35, kw_per_gpu=1.275) == pytest.approx(0.056, abs=0.001)
    assert peak_hour_worth(usd_per_kw_year=50, peaks=4) == 12_500
    assert peak_hour_worth(usd_per_kw_year=150, peaks=12, chance=0.1) == pytest.approx(1_250)
    assert economics.at_the_meter(mw=8, pue=1.25) == 10
