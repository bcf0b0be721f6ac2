"""
What the price will be: the last one seen, fading into the day-ahead price, at a pace that each market teaches.

Each step ahead is a mean of both: `share` of the price seen last, the rest of day-ahead. The share is learned from
the prices as they come, for each lead by itself: near 1 for the next quarter of an hour where prices hold on, near 0
where day-ahead is right anyway. It starts from a fade of two hours and forgets within weeks. The usual way, the last
difference between the two added to day-ahead and fading, takes every change that day-ahead announces at its word; it
costs a site that mines a third more against perfect foresight (docs/adr/0035).

Prices are $/MWh; a missing one is NaN. Where a tariff is known in advance, there is nothing to forecast.
"""

import numpy as np

from energy.planning.problem import Floats

FADING_HOURS = 2.0  # at the beginning: after which 1/e of what the last price says is left
FORGOTTEN_DAYS = 14.0  # after which a lesson counts half
BELIEVED_HOURS = 24.0  # of lessons, as much as the beginning counts
SMALL_USD = 5.0  # differences up to about this teach little: they are noise
LEAST, MOST = -1.0, 2.0  # of what one price may say about a share: one spike is no rule


class Forecast:
    """Expected prices of S sites for `steps` steps of `step_hours` ahead; `lag` is how many steps late prices are seen
    (0: that of the running step is known)."""

    def __init__(self, *, sites: int, steps: int, step_hours: float, lag: int = 1) -> None:
        lead_hours = np.arange(steps) * step_hours
        self._lag = lag
        self._weight = np.full((sites, steps), BELIEVED_HOURS / step_hours)
        self._told = self._weight * np.exp(-lead_hours / FADING_HOURS)
        self._kept = 0.5 ** (step_hours / 24 / FORGOTTEN_DAYS)
        self._seen = np.full((sites, steps + lag), np.nan)  # real-time prices, the newest first

    @property
    def share(self) -> Floats:
        """Of the price seen last in that of each step ahead, (S, steps)."""
        share: Floats = np.clip(self._told / self._weight, 0.0, 1.0)
        return share

    def observe(self, *, real_time: Floats, day_ahead: Floats) -> None:
        """Learn from the prices (S,) of one more step: for each lead, what the price seen that long before had to say
        about how real time differed from day-ahead."""
        steps = self._weight.shape[1]
        before = self._seen[:, self._lag - 1 : self._lag - 1 + steps] if self._lag else _shifted(self._seen, real_time)
        said, was = before - day_ahead[:, None], (real_time - day_ahead)[:, None]
        ratio = np.clip(was / np.where(said == 0, 1.0, said), LEAST, MOST)
        counts = np.nan_to_num(said**2 / (said**2 + SMALL_USD**2)) * ~np.isnan(was)
        self._weight = self._kept * self._weight + counts
        self._told = self._kept * self._told + counts * np.nan_to_num(ratio)
        self._seen = _shifted(self._seen, real_time)

    def ahead(self, *, seen: Floats, day_ahead: Floats) -> Floats:
        """Expected prices (S, steps) of the running step and those behind it, from the price (S,) seen last and the
        day-ahead ones (S, steps); where nothing was seen (NaN), day-ahead ones."""
        share = np.where(np.isnan(seen)[:, None], 0.0, self.share)
        expected: Floats = share * np.nan_to_num(seen)[:, None] + (1 - share) * day_ahead
        return expected


def filled(prices: Floats, *, steps_a_day: int) -> Floats:
    """
    Prices (T,) without gaps: a missing one is that of the same time a day before, else the last one before it, else
    the first one known. Raises ValueError where there is none at all.
    """
    known = ~np.isnan(prices)
    if not known.any():
        raise ValueError("no price is known: at least one is needed to fill the gaps from")
    full, last = prices.copy(), prices[known][0]
    for step in np.flatnonzero(~known):
        before = full[step - steps_a_day] if step >= steps_a_day else full[step - 1] if step else last
        full[step] = before
    return full


def _shifted(prices: Floats, newest: Floats) -> Floats:
    return np.concatenate([newest[:, None], prices[:, :-1]], axis=1)
