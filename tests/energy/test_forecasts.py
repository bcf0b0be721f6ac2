"""Forecasts learn from each market how long its prices hold on."""

import numpy as np
import pytest

from energy.planning import Floats, Forecast, filled

NONE = np.array([np.nan])


def taught(real_time: Floats, day_ahead: Floats, *, lag: int = 1) -> Forecast:
    forecast = Forecast(sites=1, steps=24, step_hours=0.25, lag=lag)
    for step in range(len(real_time)):
        forecast.observe(real_time=real_time[step : step + 1], day_ahead=day_ahead[step : step + 1])
    return forecast


def test_at_first_the_last_price_fades_within_hours_into_day_ahead() -> None:
    expected = Forecast(sites=1, steps=97, step_hours=0.25).ahead(
        seen=np.array([100.0]), day_ahead=np.full((1, 97), 20.0)
    )
    assert expected[0, [0, 8, 96]] == pytest.approx([100, 20 + 80 / np.e, 20], abs=0.01)


def test_where_prices_hold_on_the_last_one_counts_and_where_day_ahead_is_right_it_does() -> None:
    random = np.random.default_rng(1)
    day_ahead = 40 + 15 * np.sin(np.arange(1_500) / 15)
    walk = 40 + np.cumsum(random.normal(0, 1, 1_500))
    assert taught(walk, day_ahead).share[0, 0] > 0.9
    assert taught(day_ahead + random.normal(0, 8, 1_500), day_ahead).share.max() < 0.35


def test_one_spike_is_no_rule() -> None:
    calm = np.full(2_000, 30.0) + np.random.default_rng(2).normal(0, 8, 2_000)
    spiked = calm.copy()
    spiked[1_900] = 5_000.0
    day_ahead = np.full(2_000, 30.0)
    assert taught(spiked, day_ahead).share == pytest.approx(taught(calm, day_ahead).share, abs=0.05)


def test_the_running_price_is_itself_where_it_is_known() -> None:
    random = np.random.default_rng(3)
    forecast = taught(random.uniform(0, 90, 500), random.uniform(0, 90, 500), lag=0)
    assert forecast.ahead(seen=np.array([77.0]), day_ahead=np.full((1, 24), 20.0))[0, 0] == pytest.approx(77)


def test_a_price_that_nobody_saw_teaches_nothing_and_leaves_day_ahead() -> None:
    forecast = taught(np.array([30.0, np.nan, 50.0, np.nan]), np.array([20.0, 20.0, np.nan, 20.0]))
    assert not np.isnan(forecast.share).any()
    assert forecast.ahead(seen=NONE, day_ahead=np.full((1, 24), 20.0)).tolist() == [[20.0] * 24]


@pytest.mark.parametrize(
    ("prices", "whole"),
    [
        ([1, 2, np.nan, 4], [1, 2, 1, 4]),  # two steps a day: the same time a day before
        ([np.nan, 2, np.nan, np.nan, np.nan], [2, 2, 2, 2, 2]),
        ([1, np.nan], [1, 1]),
    ],
)
def test_missing_prices_are_filled_from_what_is_known(prices: list[float], whole: list[float]) -> None:
    assert filled(np.array(prices, np.float64), steps_a_day=2).tolist() == whole


def test_no_price_at_all_cannot_be_filled() -> None:
    with pytest.raises(ValueError, match="no price is known"):
        filled(NONE, steps_a_day=96)
