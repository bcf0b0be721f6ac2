"""A command from its target to its verdicts, and the look at everybody in between."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import QuerySet

from accounts import clock, failpoints
from accounts.operations import record
from energy.commanding.choosing import Order, Unit, again, choose, load, made_up, share, staggered
from energy.commanding.judging import Asked, Heard, MinerRead, Report, judge
from energy.commanding.keeping import keep, leave, miners_of, overtaken, unit_of, want
from energy.commanding.sending import LIMITS, OVERTAKEN, Limits, Sending, send
from energy.miners import Driver, MinerRefused, driver_of
from energy.models import Command, Miner, Outcome
from energy.queries.commands import holding
from marketplace.models import Site

Meter = Callable[[Collection[int]], Mapping[int, int]]
"""Watts by miner, of those of the given ones that have a meter (a socket of a power strip) that was read just now."""

Still = Callable[[], bool]
"""Whether a command is still to be carried out as it is."""

failpoints.register("miners.wanted", "miners.told")
ROUNDS = 3  # what did not sleep in one is made up for by others in the next


def obey(
    *,
    site: Site,
    target: Mapping[int, int] | int,
    actor: str,
    reason: str,
    now: datetime,
    within: float = 60.0,
    urgent: bool = False,
    watts_per_second: int | None = None,
    meter: Meter | None = None,
    still: Still = lambda: True,
    limits: Limits = LIMITS,
) -> Report:
    """
    Let a site's miners draw at most the `target`, and as much of it as they can: watts of each named class (by id), or
    of all miners together, the most efficient first. Then, and where it is `urgent`, one class makes up for what
    another's do not obey.

    Takes at most `within` seconds, from inside the site. What does not obey stays counted as load, and others sleep in
    its place. With `watts_per_second` power changes no faster, up or down. Safe to run twice; may overtake another:
    whoever is overtaken, or whose command is not `still` to be carried out, tells nobody anything more.
    """
    began, reads, at = time.monotonic(), dict[int, MinerRead](), now
    miners = {miner.pk: miner for miner in _meant(site, target)}
    units = {pk: unit_of(miner, now=now) for pk, miner in miners.items()}
    epochs = {pk: miner.epoch for pk, miner in miners.items()}
    for number in range(ROUNDS):
        by_class = _by_class(units.values(), target, together=urgent)
        orders = choose(units.values(), watts_by_class=by_class, now=at, urgent=urgent)
        orders += again(units.values(), besides=orders) if number == 0 else []
        left = within - (time.monotonic() - began)
        if not orders or left <= 0 or not still():
            break
        told = _tell(miners, orders, epochs, at, left, watts_per_second, meter, still, limits)
        reads |= {read.miner_id: read for read in told}
        units |= {read.miner_id: _after(units[read.miner_id], read, at) for read in told}
        at = now + timedelta(seconds=time.monotonic() - began)
    watts = target if isinstance(target, int) else sum(target.values())
    report = Report(tuple(reads.values()), watts, load(units.values()))
    _record(site, report, actor=actor, reason=reason, at=now)
    return report


def look(
    *, site: Site, now: datetime, within: float = 60.0, meter: Meter | None = None, limits: Limits = LIMITS
) -> list[MinerRead]:
    """Read every miner of a site once, from inside it, and write down what each has to be counted with. While a grid
    event holds, those that are awake and shall sleep are told so again, once."""
    began, miners = time.monotonic(), {miner.pk: miner for miner in miners_of(site)}
    sendings = [_sending(miner, asleep=miner.asleep, tell=False, now=now, limits=limits) for miner in miners.values()]
    heard = send(sendings, within=within, limits=limits)
    # Who refused and is still awake has not become a liar by being looked at.
    refusals = {pk: miner.detail for pk, miner in miners.items() if miner.outcome == Outcome.REFUSED}
    heard = [
        replace(words, refusal=words.refusal or refusals.get(sending.asked.miner_id, ""))
        for sending, words in zip(sendings, heard, strict=True)
    ]
    epochs = {pk: miner.epoch for pk, miner in miners.items()}
    reads = {read.miner_id: read for read in _judged(sendings, heard, meter)}
    keep(reads.values(), epochs=epochs)
    strayed = [miners[pk] for pk, read in reads.items() if read.asleep and read.outcome == Outcome.LIED]
    left = within - (time.monotonic() - began)
    if left > 0 and holding(site, Command.Kind.MINERS, now=now).exists():
        orders = [Order(unit_of(miner, now=now), asleep=True) for miner in strayed if miner.controlled]
        again = _tell(miners, orders, epochs, now, left, None, meter, lambda: True, limits) if orders else []
        reads |= {read.miner_id: read for read in again}
    return list(reads.values())


def _by_class(units: Collection[Unit], target: Mapping[int, int] | int, *, together: bool) -> Mapping[int, int]:
    """What each class may draw in this round."""
    if isinstance(target, int):
        return share(units, watts=target)
    return made_up(units, watts_by_class=target) if together else target


def _meant(site: Site, target: Mapping[int, int] | int) -> QuerySet[Miner]:
    return miners_of(site) if isinstance(target, int) else miners_of(site).filter(miner_class__in=target)


def _tell(
    miners: Mapping[int, Miner],
    orders: Sequence[Order],
    epochs: dict[int, int],
    now: datetime,
    within: float,
    watts_per_second: int | None,
    meter: Meter | None,
    still: Still,
    limits: Limits,
) -> list[MinerRead]:
    """Tell those of which nobody wanted anything since their `epochs`, which go on, and read them back."""
    wanted = want(orders, epochs=epochs, now=now)
    epochs |= wanted
    sendings = [
        _sending(miners[order.unit.id], asleep=order.asleep, starts=starts, now=now, limits=limits)
        for starts, order in staggered(orders, watts_per_second=watts_per_second)
        if order.unit.id in wanted
    ]
    failpoints.reached("miners.wanted")
    heard = send(
        sendings, within=within, limits=limits, overtaken=lambda: overtaken(wanted) if still() else wanted.keys()
    )
    failpoints.reached("miners.told")
    reads = _judged(sendings, heard, meter)
    untold = {read.miner_id for read in reads if read.detail == OVERTAKEN}
    leave((order for order in orders if order.unit.id in untold), epochs=wanted)
    keep((read for read in reads if read.miner_id not in untold), epochs=wanted)
    return reads


def _sending(
    miner: Miner, *, asleep: bool, now: datetime, limits: Limits, tell: bool = True, starts: float = 0.0
) -> Sending:
    kind = miner.miner_class
    risen = miner.since + timedelta(seconds=kind.ramp_up_seconds)
    asked = Asked(
        miner_id=miner.pk,
        asleep=asleep,
        watts=kind.watts,
        standby_watts=kind.standby_watts,
        rising=not asleep and (tell or now < risen),
    )
    driver, refusal = _driver(miner, limits)
    return Sending(asked=asked, driver=driver, tell=tell, starts=starts, falls=kind.ramp_down_seconds, refusal=refusal)


def _driver(miner: Miner, limits: Limits) -> tuple[Driver | None, str]:
    try:
        return driver_of(miner, timeout=limits.timeout), ""
    except MinerRefused as error:
        return None, str(error)


def _judged(sendings: Sequence[Sending], heard: Iterable[Heard], meter: Meter | None) -> list[MinerRead]:
    metered = meter([sending.asked.miner_id for sending in sendings]) if meter else {}
    at = clock.now()
    return [
        judge(sending.asked, words, metered=metered.get(sending.asked.miner_id), at=at)
        for sending, words in zip(sendings, heard, strict=True)
    ]


def _after(unit: Unit, read: MinerRead, now: datetime) -> Unit:
    """The unit for the next round."""
    since = unit.since if unit.asleep == read.asleep else now
    stubborn = read.outcome != Outcome.OBEYED
    return replace(unit, asleep=read.asleep, since=since, load_watts=read.load_watts, stubborn=stubborn, unseen=False)


def _record(site: Site, report: Report, *, actor: str, reason: str, at: datetime) -> None:
    if report.reads:
        data = {"reason": reason, "target_watts": report.target_watts, "load_watts": report.load_watts}
        record(
            organization=None,
            kind="miners.commanded",
            subject=site.slug,
            actor=actor,
            at=at,
            data=data | {"outcomes": report.counts},
        )
