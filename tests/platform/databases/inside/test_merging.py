"""Segments that are merged: which, that nothing is lost wherever it ends, and that who reads meanwhile sees one or the other."""

import os
import tracemalloc
from collections.abc import Iterator

import pytest

from pilothouse.platform.databases.inside.archive.contents import Archive
from pilothouse.platform.databases.inside.archive.keeper import Keeper
from pilothouse.platform.databases.inside.archive.merger import Merger
from pilothouse.platform.databases.inside.archive.merges import FAN, MOST_BYTES, SECTION_BYTES, merges, regrouped
from pilothouse.platform.databases.inside.archive.runs import Link, in_place, is_whole, runs
from pilothouse.platform.databases.inside.archive.segment import Group, Name
from pilothouse.platform.databases.inside.restore.select import Target, transactions
from pilothouse.platform.databases.inside.store.sealed import Keys
from pilothouse.platform.databases.inside.store.seam import Entry, StoreError
from tests.platform.databases.inside.store.fake import FakeStore, FakeWriter

KEYS = Keys(bytes(range(32)))
PREFIX = "orders-uid-1/archive"
FORMAT = bytes(19) + b"10.11".ljust(52, b"\0") + b"when" + b"lengths" + b"sums"


class DyingStore(FakeStore):
    """Ends at its nth change. steps: changes that were made."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at, self.steps = 0, 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.dies_at:
            raise KeyboardInterrupt

    def write(self, name: str) -> FakeWriter:
        self.step()
        return super().write(name)

    def delete(self, name: str) -> None:
        self.step()
        super().delete(name)


def gtid(number: int, server: int = 1) -> str:
    return f"0-{server}-{number}" if number else ""


def group(number: int, server: int = 1, size: int = 30) -> Group:
    return Group(gtid(number, server), number * 1000, os.urandom(size))


def filled(archive: Archive, count: int, begin: int = 1) -> list[Group]:
    """Segments of two transactions each."""
    found = list[Group]()
    for number in range(begin, begin + count):
        pair = [group(2 * number - 1), group(2 * number)]
        archive.put(Name(number, gtid(2 * number - 2), pair[-1].gtid), [(FORMAT, pair)])
        found += pair
    return found


def read(archive: Archive) -> list[Group]:
    """As a restore from the begin on reads it."""
    found = transactions(archive.runs(), "", archive.until(), Target(), archive.sections)
    return [each for _, groups in found for each in groups]


def merged(archive: Archive) -> Merger:
    merger = Merger(archive, Keeper(archive, 1, ""))
    merger.once()
    return merger


@pytest.fixture
def archive() -> Archive:
    return Archive(FakeStore(), KEYS, PREFIX)


def spans(archive: Archive) -> list[int]:
    return [name.span for name in in_place(archive.stored())]


def test_sixty_become_one_and_hold_the_same(archive: Archive) -> None:
    written = filled(archive, 2 * FAN + 5)
    merged(archive)
    assert spans(archive) == [FAN, FAN, 1, 1, 1, 1, 1]
    assert read(archive) == written
    merged(archive)
    assert len(archive.stored()) == 7


def names(count: int, span: int = 1) -> list[Name]:
    return [
        Name(number * span, gtid((number - 1) * span), gtid(number * span), (number - 1) * span + 1 if span > 1 else 0)
        for number in range(1, count + 1)
    ]


def planned(found: list[Name], size: int = 1000) -> list[tuple[int, int]]:
    """From and to which number is merged."""
    sizes = dict.fromkeys(found, size)
    return [(merge.name.first, merge.name.number) for run in runs(found) for merge in merges(run, sizes)]


def test_merged_ones_are_merged_once_more_and_then_no_more() -> None:
    assert planned(names(FAN, FAN)) == [(1, FAN * FAN)]
    assert planned(names(3, FAN * FAN)) == []


def test_an_archive_that_was_never_merged_is_planned_at_once() -> None:
    """Names alone: an archive of an earlier version, that was never merged."""
    found = planned(names(12_000))
    assert len(found) == 200
    assert found[0] == (1, FAN)


def test_a_merged_segment_does_not_grow_without_a_bound() -> None:
    assert planned(names(10), MOST_BYTES // 4) == [(1, 4), (5, 8)]
    assert planned(names(10), MOST_BYTES) == []


def test_a_gap_stays_one() -> None:
    lost = [name for name in names(2 * FAN + 1) if name.number != FAN]
    assert planned(lost) == [(FAN + 1, 2 * FAN)]


def test_what_a_failover_made_void_goes_too_and_does_not_come_back(archive: Archive) -> None:
    filled(archive, FAN)
    archive.put(Name(FAN + 1, gtid(2 * FAN - 3), gtid(2 * FAN - 2, 2)), [(FORMAT, [group(2 * FAN - 2, 2)])])
    for number in range(FAN + 2, 2 * FAN + 2):
        begin = 2 * FAN - 2 + number - FAN - 2
        archive.put(Name(number, gtid(begin, 2), gtid(begin + 1, 2)), [(FORMAT, [group(begin + 1, 2)])])
    before = read(archive)
    merged(archive)
    assert read(archive) == before
    merged(archive)
    assert read(archive) == before
    assert is_whole(in_place(archive.stored()))


def test_nothing_is_lost_wherever_merging_ends() -> None:
    whole = DyingStore()
    filled(Archive(whole, KEYS, PREFIX), FAN + 1)
    before = whole.steps
    merged(Archive(whole, KEYS, PREFIX))
    for step in range(before + 1, whole.steps + 1, 5):
        store = DyingStore()
        archive = Archive(store, KEYS, PREFIX)
        written = filled(archive, FAN + 1)
        store.dies_at = step
        with pytest.raises(KeyboardInterrupt):
            merged(archive)
        assert read(archive) == written
        merged(archive)
        assert (read(archive), spans(archive)) == (written, [FAN, 1])
        assert len(archive.stored()) == 2


def test_a_restore_goes_on_while_what_it_reads_is_merged(archive: Archive) -> None:
    written = filled(archive, FAN + 2)
    under_way = transactions(archive.runs(), "", archive.until(), Target(), archive.sections)
    found = list(next(under_way)[1])
    merged(archive)
    for _, groups in under_way:
        found += groups
    assert found == written


@pytest.mark.parametrize("new", [[FAN], [FAN, FAN + 1, FAN + 2, FAN + 3]])
def test_a_restore_does_not_mix_two_histories(archive: Archive, new: list[int]) -> None:
    """It has read what a failover makes void, and what it reads next is merged with what the new primary has written."""
    filled(archive, FAN // 2)
    link = archive.runs()[0][-1]
    archive.put(Name(FAN // 2 + 1, gtid(FAN - 1), gtid(new[-1], 2)), [(FORMAT, [group(number, 2) for number in new])])
    heir = Name(FAN // 2 + 1, "", gtid(new[-1], 2), 1)
    archive.put(heir, [each for other in archive.runs()[0] for each in archive.sections(other)])
    archive.remove(link.name)
    with pytest.raises(StoreError, match="read again"):
        list(archive.sections(Link(link.name, link.last)))


class ChangingStore(FakeStore):
    """A folder of which a listing that something changes meanwhile misses names: once."""

    missed = ""

    def entries(self, prefix: str = "", after: str = "") -> Iterator[Entry]:
        missed, self.missed = self.missed, ""
        return (each for each in super().entries(prefix, after) if not missed or missed not in each.name)


def test_a_listing_that_misses_some_is_made_again() -> None:
    store = ChangingStore()
    archive = Archive(store, KEYS, PREFIX)
    written = filled(archive, 5)
    store.missed = "000000000003"
    assert read(archive) == written


def test_a_listing_in_order_that_misses_the_parts_meets_the_merged_one() -> None:
    """S3 lists page by page: parts that go behind the listing's back were merged before, into what comes behind them."""
    parts = [name.text for name in names(FAN)]
    assert sorted([*parts, Name(FAN, "", gtid(FAN), 1).text])[-1] == Name(FAN, "", gtid(FAN), 1).text


def test_a_segment_that_cannot_be_read_is_told_and_left() -> None:
    archive = Archive(store := FakeStore(), KEYS, PREFIX)
    filled(archive, 2 * FAN)
    broken = archive.path(in_place(archive.stored())[4])
    store.things[broken] = store.things[broken][:-1]
    keeper = Keeper(archive, 1, "")
    merger = Merger(archive, keeper)
    for _ in range(2):
        merger.once()
    assert broken in store.things
    assert keeper.status.broken == broken
    assert max(spans(archive)) == FAN


def test_what_is_merged_is_held_a_section_at_a_time(archive: Archive) -> None:
    for number in range(1, 17):
        archive.put(Name(number, gtid(number - 1), gtid(number)), [(FORMAT, [group(number, size=1 << 20)])])
    run, peak = archive.runs()[0], 0
    tracemalloc.start()
    for _ in regrouped(each for link in run for each in archive.sections(link)):
        peak = max(peak, tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert peak < 4 * SECTION_BYTES
    sizes = [len(groups) for _, groups in regrouped(each for link in run for each in archive.sections(link))]
    assert sum(sizes) == 16
    assert set(sizes) == {SECTION_BYTES >> 20}


def test_sections_of_two_versions_of_the_server_stay_apart() -> None:
    other = FORMAT.replace(b"10.11", b"11.8\0")
    later = FORMAT.replace(b"when", b"then").replace(b"sums", b"summ")
    found = list(regrouped([(FORMAT, [group(1)]), (later, [group(2)]), (other, [group(3)])]))
    assert [(form, len(groups)) for form, groups in found] == [(FORMAT, 2), (other, 1)]


def test_what_no_backup_needs_goes_from_the_oldest_on(archive: Archive) -> None:
    written = filled(archive, 2 * FAN + 3)
    merged(archive)
    archive.remove_before(gtid(2 * FAN + 4))
    assert spans(archive) == [FAN, 1, 1, 1]
    assert [each for link in archive.runs()[0] for _, groups in archive.sections(link) for each in groups] == written[2 * FAN :]
    archive.remove_before(gtid(4 * FAN + 6))
    assert spans(archive) == [1]
