"""Telemetry from a site's batch to rows that stay: nothing twice, nothing lost, nothing wrong when it comes late."""

from datetime import datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leasing.provisioners.base import GPUReading, Reading
from leasing.tasks import keep_telemetry
from leasing.telemetry.house import GRACE, KEEP_MINUTES, KEEP_SAMPLES, keep_house
from leasing.telemetry.partitions import MINUTES, PACKS, SAMPLES
from leasing.telemetry.samples import write
from marketplace.models import Node
from tests import factories
from tests.factories import DAY, HOUR, NOON
from tests.leasing.telemetry_world import a_gpu, a_reading, kept, pieces, rows

SLOT, MINUTE = timedelta(seconds=15), timedelta(minutes=1)
PACKED = NOON + HOUR + GRACE  # when the hour that begins at noon is packed


@pytest.fixture
def node(db: None) -> Node:
    return factories.a_node(factories.a_pool(0))


def test_a_batch_is_kept_with_every_figure_and_with_what_is_missing(node: Node) -> None:
    whole, silent = a_gpu(0, xid=79), GPUReading(index=1, uuid="GPU-1", power_mw=70_000)
    gone = GPUReading(index=2, uuid="GPU-2", lost=True)
    assert write([a_reading(node, NOON, whole, silent, gone)]) == 3

    [first, second, third] = sorted(kept([node]), key=lambda sample: sample.gpu)
    assert first[2:] == (1_000_000, 70_000, 600_000, 0, 90, 60, False)
    assert second[2:] == (None, None, 70_000, None, None, None, False)
    assert third[2:] == (None, None, None, None, None, None, True)
    assert rows("SELECT gpu, at, code FROM leasing_gpuxid") == [(first.gpu, NOON, 79)]


def test_the_same_batch_again_changes_nothing(node: Node) -> None:
    batch = [a_reading(node), a_reading(node, NOON + SLOT)]
    assert write(batch) == 2
    before = kept([node])
    assert write([*batch, a_reading(node, NOON + 2 * SLOT)]) == 1
    assert before < kept([node])


def test_the_fast_way_refuses_a_batch_whole_when_a_sample_is_there_already(node: Node) -> None:
    write([a_reading(node)], exactly_once=False)
    with pytest.raises(IntegrityError), transaction.atomic():
        write([a_reading(node, NOON + SLOT), a_reading(node)], exactly_once=False)
    assert len(kept([node])) == 1


def test_hosts_that_did_not_answer_and_nodes_that_there_are_not_leave_nothing(node: Node) -> None:
    stranger = Reading(node_id="nd_nobody", at=NOON, reached=True, gpus=(a_gpu(),))
    assert write([a_reading(node, reached=False), stranger]) == 0
    assert write([]) == 0


def test_a_figure_that_cannot_be_is_kept_as_missing(node: Node) -> None:
    write([a_reading(node, NOON, a_gpu(utilization=2**20, energy_mj=2**63, power_mw=1))])
    [sample] = kept([node])
    assert (sample.utilization, sample.energy_mj, sample.power_mw) == (None, None, 1)


def test_a_reading_between_two_slots_is_refused_by_name(node: Node) -> None:
    with pytest.raises(ValueError, match=f"{node.public_id} .*not on a 15-second slot"):
        write([a_reading(node, NOON + SLOT / 2)])


def test_a_gpu_that_is_exchanged_is_another_one_in_the_same_place(node: Node) -> None:
    write([a_reading(node)])
    write([a_reading(node, NOON + SLOT, GPUReading(index=0, uuid="GPU-new"))])
    assert rows("SELECT index, uuid FROM leasing_gpu WHERE node_id = %s ORDER BY id", node.pk) == [
        (0, "GPU-0"),
        (0, "GPU-new"),
    ]


def test_pieces_stand_ready_before_their_hour_and_one_that_is_missing_is_made(node: Node) -> None:
    keep_house(now=NOON)
    ready = [SAMPLES.name(NOON), SAMPLES.name(NOON + HOUR), SAMPLES.name(NOON + 2 * HOUR)]
    assert pieces() == ready
    write([a_reading(node, NOON + 5 * HOUR)])
    assert pieces() == [*ready, SAMPLES.name(NOON + 5 * HOUR)]


def test_a_minute_is_rolled_up_once_it_is_over(node: Node) -> None:
    write([a_reading(node, NOON, a_gpu(utilization=10, power_mw=100, energy_mj=5_000))])
    write([a_reading(node, NOON + SLOT, a_gpu(utilization=21, power_mw=200, energy_mj=9_000, memory_mib=71_000))])
    keep_house(now=NOON + MINUTE - SLOT)
    assert rows("SELECT * FROM leasing_gpuminute") == []
    keep_house(now=NOON + MINUTE)
    assert rows("SELECT at, samples, utilization_avg, utilization_max, memory_max_mib, temperature_max_c, "
                "power_avg_mw, energy_mj, energy_first_mj, energy_last_mj FROM leasing_gpuminute") == [
        (NOON, 2, 16, 21, 71_000, 60, 150, 4_000, 5_000, 9_000)
    ]  # fmt: skip


def test_energy_is_never_negative_when_the_counter_begins_again(node: Node) -> None:
    for place, counter in enumerate((8_000, 9_000, 300, 700)):
        write([a_reading(node, NOON + place * SLOT, a_gpu(energy_mj=counter))])
    keep_house(now=NOON + MINUTE)
    assert rows("SELECT energy_mj, energy_first_mj, energy_last_mj FROM leasing_gpuminute") == [(1_700, 8_000, 700)]


def test_a_lost_gpu_counts_no_samples(node: Node) -> None:
    write([a_reading(node, NOON, GPUReading(index=0, uuid="GPU-0", lost=True))])
    keep_house(now=NOON + MINUTE)
    assert rows("SELECT samples, utilization_avg FROM leasing_gpuminute") == [(0, None)]


def test_an_hour_that_is_over_is_packed_and_its_piece_is_gone(node: Node) -> None:
    for place in range(240):
        write([a_reading(node, NOON + place * SLOT, a_gpu(0, energy_mj=place), a_gpu(1, ecc_uncorrected=None))])
    before = kept([node])
    keep_house(now=PACKED - SLOT)
    assert SAMPLES.name(NOON) in pieces(), "a watcher may still send again"
    keep_house(now=PACKED)

    assert SAMPLES.name(NOON) not in pieces()
    assert kept([node]) == before
    assert rows("SELECT node_id, at, samples FROM leasing_gpusamplepack") == [(node.pk, NOON, 480)]
    assert rows("SELECT samples, energy_mj FROM leasing_gpuhour ORDER BY gpu") == [(240, 239), (240, 0)]


def test_a_sample_that_comes_after_its_hour_was_packed_is_merged(node: Node) -> None:
    write(
        [
            a_reading(node, NOON, a_gpu(energy_mj=10, utilization=10)),
            a_reading(node, NOON + 2 * SLOT, a_gpu(energy_mj=20)),
        ]
    )
    keep_house(now=PACKED)
    late = a_reading(node, NOON + SLOT, a_gpu(energy_mj=12, utilization=99))
    assert write([late, a_reading(node, NOON, a_gpu(utilization=1))]) == 2, "what is packed is not looked into yet"
    assert write([late]) == 0
    keep_house(now=PACKED + MINUTE)

    assert {sample.utilization for sample in kept([node])} == {10, 90, 99}, "the first word about a slot stays"
    assert rows("SELECT samples, energy_mj, utilization_max FROM leasing_gpuhour") == [(3, 10, 99)]
    assert rows("SELECT samples, energy_mj, utilization_max FROM leasing_gpuminute") == [(3, 10, 99)]
    assert rows("SELECT samples FROM leasing_gpusamplepack") == [(3,)]
    assert rows("SELECT count(*) FROM leasing_gpusamplelate") == [(0,)]


def test_samples_go_after_a_week_minutes_after_two_and_hours_never(node: Node) -> None:
    write([a_reading(node)])
    keep_house(now=PACKED)
    keep_house(now=NOON + KEEP_SAMPLES + DAY)
    assert (kept([node]), PACKS.name(NOON) in pieces(PACKS.table)) == (set(), False)
    assert len(rows("SELECT * FROM leasing_gpuminute")) == 1
    write([a_reading(node, NOON + SLOT, a_gpu(utilization=1))])
    keep_house(now=NOON + KEEP_MINUTES + DAY)

    assert (kept([node]), MINUTES.name(NOON) in pieces(MINUTES.table)) == (set(), False)
    assert rows("SELECT samples, utilization_avg FROM leasing_gpuhour") == [(1, 90)], "too late to change it"


def test_keeping_house_twice_changes_nothing(node: Node) -> None:
    write([a_reading(node)])

    def house() -> list[object]:
        tables = ("leasing_gpuminute", "leasing_gpuhour", "leasing_gpusamplepack", "leasing_gpusamplehour")
        return [*(rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables), pieces()]

    keep_house(now=PACKED)
    before = house()
    keep_house(now=PACKED)
    assert house() == before


SEEN = st.tuples(
    st.integers(0, 1),  # which GPU
    st.integers(0, 11),  # when: in the first three minutes of the hour, or in the next hour
    st.booleans(),
    st.integers(0, 100) | st.none(),
    st.integers(0, 10_000) | st.none(),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seen=st.lists(SEEN, min_size=1, max_size=30, unique_by=lambda one: one[:3]), plan=st.data())
def test_order_lateness_and_repetition_of_batches_change_nothing_in_the_end(
    node: Node, seen: list[tuple[int, int, bool, int | None, int | None]], plan: st.DataObject
) -> None:
    batch = [
        a_reading(node, NOON + next_hour * HOUR + slot * SLOT, a_gpu(index, utilization=busy, energy_mj=energy))
        for index, slot, next_hour, busy, energy in seen
    ]
    shuffled = plan.draw(st.permutations(batch + plan.draw(st.lists(st.sampled_from(batch), max_size=10))))
    cuts = sorted(plan.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    moments = iter(sorted(plan.draw(st.lists(st.integers(0, 300), min_size=5, max_size=5))))
    parts = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    assert _outcome(node, [(part, NOON + next(moments) * MINUTE) for part in parts]) == _outcome(node, [(batch, NOON)])


def _outcome(node: Node, told: list[tuple[list[Reading], datetime]]) -> list[object]:
    """All that is kept once these batches have come, with a housekeeping after each; then undone."""
    with transaction.atomic():
        write([a_reading(node, NOON - HOUR, a_gpu(0), a_gpu(1))])  # so that GPUs have their numbers in order
        for batch, at in told:
            write(batch)
            keep_house(now=at)
        keep_house(now=NOON + 10 * HOUR)
        first = rows("SELECT min(id) FROM leasing_gpu WHERE node_id = %s", node.pk)[0][0]
        rolled = [
            rows(f"SELECT gpu - {first}, * FROM {table} ORDER BY gpu, at")
            for table in ("leasing_gpuminute", "leasing_gpuhour")
        ]
        samples = {(sample.gpu - first, sample.at, *sample[2:]) for sample in kept([node])}
        transaction.set_rollback(True)
    return [[(row[0], *row[2:]) for row in table] for table in rolled] + [samples]


@pytest.mark.django_db(transaction=True)
def test_what_is_written_while_its_hour_is_being_packed_is_not_lost() -> None:
    node = factories.a_node(factories.a_pool(0))
    together, troubles = Barrier(2), []

    def watch() -> None:
        try:
            for place in range(40):
                together.wait(timeout=30)
                write([a_reading(node, NOON + place * HOUR), a_reading(node, NOON + place * HOUR + SLOT)])
        except Exception as error:  # noqa: BLE001  reported below
            troubles.append(error)
        finally:
            connection.close()

    watcher = Thread(target=watch)
    watcher.start()
    for place in range(40):
        write([a_reading(node, NOON + place * HOUR + 2 * SLOT)])
        together.wait(timeout=30)
        keep_house(now=PACKED + place * HOUR)
    watcher.join(60)
    keep_house(now=PACKED + 40 * HOUR)
    assert troubles == []
    assert len(kept([node])) == 120
    assert rows(
        "SELECT sum(samples) FROM leasing_gpuhour JOIN leasing_gpu ON id = gpu WHERE node_id = %s", node.pk
    ) == [(120,)]


def test_the_clock_keeps_house(node: Node) -> None:
    keep_telemetry()
    assert len(pieces()) == 3
