"""
What a booking desk with pencil and paper would say: a list of periods for each node, and what each customer may spend.
It knows nothing of how the product keeps its calendar or its books, and decides every wish anew from the whole list.

Which nodes a customer got is the product's choice: the desk looks whether it was allowed. Every other answer it knows.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

from tests.bookings.fees import Freed, kept_percent
from tests.bookings.notes import (
    ALWAYS,
    CLEANING,
    GUARANTEE,
    HOUR,
    KEPT,
    MICROS_PER_NODE_SECOND,
    SECOND,
    SHORTEST,
    Booking,
    Budget,
    Customer,
    Disagrees,
    Hold,
    Months,
    Offered,
    Said,
    Wait,
    Wish,
    by_month,
    full_hour,
)


@dataclass
class Desk:
    """The nodes with their fabric groups, what is booked on them, and which are out of stock."""

    nodes: Mapping[int, str]
    customers: tuple[Customer, ...]
    bookings: dict[int, Booking] = field(default_factory=dict)  # by the lease's key
    works: dict[int, Booking] = field(default_factory=dict)  # planned maintenance, by its key
    quotes: dict[str, Offered] = field(default_factory=dict)  # by their public ids
    holds: dict[str, Hold] = field(default_factory=dict)
    line: dict[int, Wait] = field(default_factory=dict)  # standing orders, by their keys
    freed: list[Freed] = field(default_factory=list)  # time that was handed back
    out: set[int] = field(default_factory=set)

    def order(self, wish: Wish, said: Said, now: datetime, quote: str = "", *, beside_hold: bool = False) -> None:
        """
        A new lease if nothing speaks against it; on demand as far as nothing is booked behind. It uses up what its
        customer keeps, by whichever quote: the nodes that will do come first.
        """
        end = wish.ends_at or wish.starts_at + SHORTEST
        if not beside_hold:
            quote = self.keeping(wish, quote, now)
        free = self.free(wish.starts_at, end + CLEANING, now=now, quote=quote)
        if not self.accepts(said, self.against(wish, free, now)):
            return
        self.check_nodes(said.nodes, wish, free)
        hold = self.holds.pop(quote, None)
        own = hold.nodes & free if hold and hold.lapses_at > now else set()
        if wish.nodes <= self.most(own, fabric=wish.fabric) and not said.nodes <= own:
            raise Disagrees(f"held were {own}, got {said.nodes}")
        made = Booking(
            who=wish.who,
            nodes=said.nodes,
            starts_at=wish.starts_at,
            ends_at=end,
            taken_until=end + CLEANING,
            open_ended=wish.ends_at is None,
            fabric=wish.fabric,
            project=wish.project,
        )
        if made.open_ended:
            self.renew(made, now)
        self.bookings[said.key] = made

    def fill(self, row: Wait, said: Said, now: datetime) -> None:
        """One in line gets a lease or is told, of a window that it wanted."""
        if not row.waits or said.starts_at not in self.starts_for(row, now):
            raise Disagrees(f"{row} got nodes from {said.starts_at} on")
        row.end = "filled"
        wish = row.at(said.starts_at)
        if not row.tells:
            self.order(wish, said, now, beside_hold=True)
        elif self.holds_one(row.who, now):
            raise Disagrees(f"{row} was told while its customer looks at another quote")
        else:
            self.keep(wish, said, now)

    def unserved(self, row: Wait, starts_at: datetime, now: datetime) -> bool:
        """Whether something is in the way of one in line, although nodes are free for it."""
        wish = row.at(starts_at)
        if row.tells:
            return self.holds_one(row.who, now) or bool(self.against_keeping(wish, now)[0])
        assert wish.ends_at is not None
        return bool(self.against(wish, self.free(starts_at, wish.ends_at + CLEANING, now=now), now))

    def keep(self, wish: Wish, said: Said, now: datetime) -> None:
        """A new quote holds nodes for ten minutes, instead of what its customer's quote before held."""
        against, free = self.against_keeping(wish, now)
        if not self.accepts(said, against):
            return
        self.check_nodes(said.nodes, wish, free)
        assert wish.ends_at is not None
        before = self.holds.pop(self.held_by(wish.who), None)
        until = min(now + KEPT, wish.starts_at)
        # In place of another: no longer than that.
        kept_until = min(until, before.lapses_at) if before and before.lapses_at > now else until
        self.quotes[said.key] = Offered(wish, until)
        self.holds[said.key] = Hold(wish.who, said.nodes, wish.starts_at, wish.ends_at + CLEANING, kept_until)

    def against_keeping(self, wish: Wish, now: datetime) -> tuple[set[str], set[int]]:
        """Every reason not to hold nodes for a quote, and the nodes that could be held."""
        assert wish.ends_at is not None
        before = self.held_by(wish.who)
        lapsed_at = self.holds[before].lapses_at if before else now + KEPT
        elsewhere = {node for hold in self.live_holds(now, but=before) for node in hold.nodes}
        free = self.free(wish.starts_at, wish.ends_at + CLEANING, now=now, quote=before) - elsewhere
        against = {"nodes"} if self.most(free, fabric=wish.fabric) < wish.nodes else set()
        if self.most_at_once(wish, None) + wish.nodes > self.customers[wish.who].most_nodes:
            against.add("limit")
        if lapsed_at <= now < lapsed_at + KEPT:  # not ordered: others go first, as long as it was kept
            against.add("limit")
        return against, free

    def held_by(self, who: int) -> str:
        """The customer's quote that holds nodes, or held them last without an order; "" for none."""
        return next((quote for quote, hold in self.holds.items() if hold.who == who), "")

    def holds_one(self, who: int, now: datetime) -> bool:
        """Whether a quote of the customer holds nodes now."""
        return any(hold.who == who for hold in self.live_holds(now))

    def starts_for(self, row: Wait, now: datetime) -> list[datetime]:
        """The full hours at which enough nodes are free for one in line, as long as it wants them."""
        first, length = max(row.earliest_at, full_hour(now) + HOUR), row.length + CLEANING
        hours = range(max(0, (row.latest_at - row.length - first) // HOUR + 1))
        starts = [first + hour * HOUR for hour in hours]
        free = {start: self.free(start, start + length, now=now) for start in starts}
        return [start for start in starts if self.most(free[start], fabric=row.fabric) >= row.nodes]

    def accepts(self, said: Said, against: Collection[str]) -> bool:
        """Whether it was done; it had to be if nothing was against it, and must not be if anything was."""
        if said.why not in against if said.why else against:
            raise Disagrees(f"{said.why or 'done'!r}, and against it was {sorted(against) or 'nothing'}")
        return not said.why

    def against(
        self, wish: Wish, free: set[int], now: datetime, *, beside: Booking | None = None, given_up: int = 0
    ) -> set[str]:
        """Every reason to refuse. What a booking gives up that moves is `given_up`; that it counts not is `beside`."""
        customer, found = self.customers[wish.who], set()
        if self.most_at_once(wish, beside) + wish.nodes > customer.most_nodes:
            found.add("limit")
        if wish.micros - given_up > self.available(wish.who, now) or (wish.ends_at is None and self.dry(wish.who, now)):
            found.add("funds")
        if any(self.exceeds(budget, wish, beside if given_up else None) for budget in customer.budgets):
            found.add("budget")
        if wish.nodes > self.most(free, fabric=wish.fabric):
            found.add("nodes")
        return found

    def check_nodes(self, nodes: frozenset[int], wish: Wish, free: set[int]) -> None:
        """As many as wished, free, and of one fabric group if wished."""
        groups = {self.nodes[node] for node in nodes}
        if len(nodes) != wish.nodes or not nodes <= free or (wish.fabric and len(groups) > 1):
            raise Disagrees(f"{wish} got {nodes}, free were {free}")

    def available(self, who: int, now: datetime) -> int:
        """Micro-dollars that the customer may promise."""
        rows = [row for row in self.bookings.values() if row.who == who]
        return self.customers[who].micros - sum(row.claims_micros(now) for row in rows) - self.fees_micros(who)

    def fees_micros(self, who: int) -> int:
        """Kept of the customer for time that was handed back, less what came back since."""
        return sum(freed.costs_micros for freed in self.freed if freed.who == who)

    def dry(self, who: int, now: datetime) -> bool:
        """Whether what runs without an end has money for less than an hour; what extends itself runs on, too."""
        rows = [row for row in self.bookings.values() if row.who == who and row.live and row.begun]
        endless = [row for row in rows if row.open_ended]
        left = max(0, self.available(who, now) + sum(row.claims_micros(now) - row.due_micros(now) for row in endless))
        burn, begun = sum(len(row.nodes) for row in endless), 0  # nodes at once; seconds from now
        for row in sorted((row for row in rows if row.step), key=lambda row: row.ends_at):
            wait = max(0, (row.ends_at - now) // SECOND - begun)
            if left < burn * wait * MICROS_PER_NODE_SECOND:
                break
            left, begun, burn = left - burn * wait * MICROS_PER_NODE_SECOND, begun + wait, burn + len(row.nodes)
        return burn > 0 and begun + left // (burn * MICROS_PER_NODE_SECOND) < HOUR // SECOND

    def exceeds(self, budget: Budget, wish: Wish, instead_of: Booking | None) -> bool:
        """Whether a window would pass a budget in one of its months."""
        if wish.ends_at is None or budget.project not in ("", wish.project):
            return False
        rows: list[Booking | Freed] = [*(row for row in self.bookings.values() if not row.open_ended), *self.freed]
        spoken = Months()
        for row in rows:
            if row.who == wish.who and budget.project in ("", row.project):
                spoken.update(row.spends())
        more = by_month(wish.nodes, wish.starts_at, wish.ends_at)
        more.subtract(instead_of.spends() if instead_of else {})
        return any(micros > max(0, budget.micros - spoken[month]) for month, micros in more.items() if micros > 0)

    def most_at_once(self, wish: Wish, beside: Booking | None) -> int:
        """The most nodes of the customer on the plan at one moment of the window."""
        open_ended, until = wish.ends_at is None, wish.ends_at or ALWAYS
        rows = [
            (row.starts_at, ALWAYS if open_ended else row.ends_at, len(row.nodes))
            for row in self.bookings.values()
            if row.live and row is not beside and (row.who, row.open_ended) == (wish.who, open_ended)
        ]
        moments = [max(begin, wish.starts_at) for begin, end, _ in rows if begin < until and wish.starts_at < end]
        return max((sum(nodes for begin, end, nodes in rows if begin <= at < end) for at in moments), default=0)

    def most(self, nodes: Collection[int], *, fabric: bool) -> int:
        """How many of the nodes one lease can have, in one fabric group if wished."""
        return self.largest_group(nodes) if fabric else len(nodes)

    def group_for(
        self, wish: Wish, nodes: frozenset[int], free: set[int], own: frozenset[int], held: frozenset[int]
    ) -> set[int]:
        """The free nodes of the group that a lease moved to: rather its own, then what is held, if that is enough."""
        groups = {name: {node for node in free if self.nodes[node] == name} for name in set(self.nodes.values())}
        (got,) = (group for group in groups.values() if nodes <= group)
        for first in (own, held):
            kept = [group for group in groups.values() if group & first and len(group) >= wish.nodes]
            if kept and got not in kept:
                raise Disagrees(f"{kept} come first, and it got {set(nodes)}")
            if kept:
                break
        return got

    def largest_group(self, nodes: Iterable[int]) -> int:
        """How many of the nodes are in one fabric group."""
        return max(Counter(self.nodes[node] for node in nodes).values(), default=0)

    def renew(self, row: Booking, now: datetime) -> None:
        """Guarantee what is open-ended as far as nothing is booked or held behind."""
        behind = self.next_behind(row.nodes, row.taken_until, now=now, but=row)
        until = max(row.taken_until, min(now + GUARANTEE + CLEANING, behind))
        if row.taken_until < until:
            row.ends_at, row.taken_until = until - CLEANING, until

    def renew_on(self, node: int, now: datetime) -> None:
        """The same of whatever is open-ended on a node."""
        for row in self.bookings.values():
            if row.open_ended and row.live and node in row.nodes:
                self.renew(row, now)

    def hand_back(self, key: int, since: datetime, now: datetime) -> None:
        """Time that was agreed goes back, at the price on the list; it is for the caller to end the booking then."""
        row = self.bookings[key]
        if row.live and not row.open_ended and since < row.ends_at:
            kind = "cancellation" if since == row.starts_at and not row.begun else "early_return"
            of_whom = (key, row.who, row.project, row.nodes)
            self.freed.append(Freed(*of_whom, since, row.ends_at, now, kind, kept_percent(row, now)))

    def fee_micros(self, key: int, now: datetime) -> int:
        """What is kept if a booking is handed back now."""
        row, asked = self.bookings[key], replace(self, freed=[])
        asked.hand_back(key, max(row.starts_at, now), now)
        return sum(freed.fee_micros for freed in asked.freed)

    def credit(self, now: datetime) -> None:
        """What comes back since others use time that was handed back."""
        for freed in self.freed:
            freed.credit(self.bookings, now)

    def stop(self, row: Booking, now: datetime) -> None:
        """It ends: nodes that were used are cleaned, others are free at once."""
        if not row.live:
            return
        row.stopped = now
        row.taken_until = now + CLEANING if row.begun else row.starts_at

    def cleaned(self, now: datetime) -> None:
        """All that ended was wiped by now."""
        for row in self.bookings.values():
            if not row.live:
                row.taken_until = max(row.starts_at, min(now, row.taken_until))

    def free(self, starts_at: datetime, until: datetime, *, now: datetime, quote: str = "") -> set[int]:
        """Nodes on which nothing is booked in a period, nor held for another quote, and that are in stock."""
        others = [hold for hold in self.live_holds(now, but=quote) if hold.starts_at < until]
        held = {node for hold in others if starts_at < hold.taken_until for node in hold.nodes}
        return {node for node in {*self.nodes} - self.out - held if not any(self.touching(node, starts_at, until))}

    def next_behind(
        self, nodes: Iterable[int], after: datetime, *, now: datetime, but: Booking | None = None, quote: str = ""
    ) -> datetime:
        """When the first booking of any of the nodes begins, from a moment on, or what is held for another quote."""
        begins = [taken.starts_at for node in nodes for taken in self.on(node) if taken is not but]
        begins += [hold.starts_at for hold in self.live_holds(now, but=quote) if hold.nodes & {*nodes}]
        return min((begin for begin in begins if begin >= after), default=ALWAYS)

    def keeping(self, wish: Wish, quote: str, now: datetime) -> str:
        """The quote that keeps nodes for an order of this one: itself, or another of its customer's for windows."""
        own = (key for key, hold in self.holds.items() if hold.who == wish.who and hold.lapses_at > now)
        return quote if quote in self.holds or wish.ends_at is None else next(own, quote)

    def live_holds(self, now: datetime, *, but: str = "") -> list[Hold]:
        """What is held now, for other quotes than this one."""
        return [hold for quote, hold in self.holds.items() if quote != but and hold.lapses_at > now]

    def double(self) -> list[tuple[int, Booking, Booking]]:
        """Pairs of bookings that have one node at once: there must be none."""
        found = []
        for node in self.nodes:
            rows = sorted(self.on(node), key=lambda taken: taken.starts_at)
            found += [(node, one, two) for one, two in pairwise(rows) if two.starts_at < one.taken_until]
        return found

    def on(self, node: int) -> list[Booking]:
        """All that is or was on a node."""
        rows = [*self.bookings.values(), *self.works.values()]
        return [row for row in rows if node in row.nodes and row.starts_at < row.taken_until]

    def touching(self, node: int, starts_at: datetime, until: datetime) -> Iterable[Booking]:
        """What is on a node in a period."""
        return (row for row in self.on(node) if row.starts_at < until and starts_at < row.taken_until)
