"""
What a megawatt-hour is worth in each use, in US dollars at the grid meter, so that uses can be compared.

Hash price is what one petahash a second earns in a day; miners' efficiency is joules per terahash. A megawatt-hour that
is used by a machine takes `pue` megawatt-hours from the meter (power usage effectiveness: cooling, conversion, house).
Energy prices above a use's worth are the prices at which stopping it pays: its break-even.
"""

SECONDS_A_DAY = 86_400
HASHES_PER_DIFFICULTY = 2**32  # expected for a block at difficulty 1 (Bitcoin's definition of difficulty)
SUBSIDY_BTC = 3.125  # of a block until the halving expected in 2028
FEE_SHARE = 0.006  # of the subsidy, transaction fees in early 2026
POOL_SHARE = 0.01  # what a mining pool keeps
MINING_PUE, GPU_PUE = 1.04, 1.25  # air-cooled halls of each kind, until a site's own meters say otherwise
UPKEEP_USD_PER_MWH = 2.0  # wear and hands for each MWh that a machine turns into work
MWH_PER_DAY_OF_KW = 0.024


def hash_price(*, btc_usd: float, difficulty: float, subsidy_btc: float = SUBSIDY_BTC) -> float:
    """$ for one PH/s for a day: its expected share of the blocks found, fees included."""
    blocks = SECONDS_A_DAY * 1e15 / (difficulty * HASHES_PER_DIFFICULTY)
    return blocks * subsidy_btc * (1 + FEE_SHARE) * btc_usd


def mining_revenue(*, hash_price: float, joules_per_terahash: float) -> float:
    """$/MWh at the machine: a machine of e J/TH draws e kW for one PH/s."""
    return hash_price / (MWH_PER_DAY_OF_KW * joules_per_terahash)


def mining_worth(*, hash_price: float, joules_per_terahash: float, pue: float = MINING_PUE) -> float:
    """$/MWh at the meter, the pool's share and upkeep taken off; the energy price at which mining breaks even."""
    kept = mining_revenue(hash_price=hash_price, joules_per_terahash=joules_per_terahash) * (1 - POOL_SHARE)
    return kept / pue - UPKEEP_USD_PER_MWH


def gpu_worth(*, usd_per_gpu_hour: float, kw_per_gpu: float, pue: float = GPU_PUE, paid_share: float = 1.0) -> float:
    """$/MWh at the meter of a lease, `kw_per_gpu` with the host's share in it, `paid_share` of its hours being paid."""
    return 1000 * usd_per_gpu_hour * paid_share / (kw_per_gpu * pue)


def energy_floor(*, usd_per_mwh: float, kw_per_gpu: float, pue: float = GPU_PUE) -> float:
    """$ of energy in a GPU-hour: below it a lease earns less than the energy is worth at the site (`usd_per_mwh` is
    the plan's internal price)."""
    return usd_per_mwh / 1000 * kw_per_gpu * pue


def peak_hour_worth(*, usd_per_kw_year: float, peaks: int, chance: float = 1.0) -> float:
    """$/MWh of not importing in an hour that may be (`chance`) one of a year's coincident peaks on which a transmission
    charge is set."""
    return chance * usd_per_kw_year * 1000 / peaks


def at_the_meter(*, mw: float, pue: float) -> float:
    """MW that the meter sees for so many at the machines."""
    return mw * pue
