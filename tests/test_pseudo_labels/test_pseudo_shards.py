"""Several processes with one output; here each store stands for a process."""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
import time

import pytest
from mmengine.logging import MMLogger

from mmdet_ovis.pseudo_labels import run_folder
from mmdet_ovis.pseudo_labels.chunks import (
    ChunkFooter,
    ImageRecord,
    peek_footer,
    read_chunk,
    write_chunk,
)
from mmdet_ovis.pseudo_labels.quarantine import TooManyBrokenError
from mmdet_ovis.pseudo_labels.run_folder import (
    OutputInUseError,
    RunFolder,
    remove_leftovers,
)
from mmdet_ovis.pseudo_labels.run_header import completed_counts
from mmdet_ovis.pseudo_labels.shards import Shard
from mmdet_ovis.pseudo_labels.signature import RunSignature, SignatureMismatchError
from mmdet_ovis.pseudo_labels.store import PseudoLabelStore

IMAGE_IDS = [40, 10, 20, 70, 30, 60, 50, 80, 90, 110, 100]
WHOLE = Shard()


@pytest.fixture
def out(tmp_path):
    return tmp_path / 'run' / 'masks.json'


@pytest.fixture
def make_store(out):
    def make(shard=WHOLE, out=out, settings=20, **kwargs):
        signature = RunSignature({'topk': settings})
        return PseudoLabelStore(out, IMAGE_IDS, signature, 2, shard=shard, **kwargs)

    return make


@pytest.fixture
def work(make_annotation):
    """Process what a shard has to do; some images may be broken."""

    def run(store, broken=(), limit=None):
        for position in store.pending()[:limit]:
            image_id = store.image_ids[position]
            anns = [make_annotation(image_id, gt_iou=0.25)] * (image_id // 10 % 3)
            error = f'no file {image_id}' if image_id in broken else None
            store.add(position, ImageRecord(image_id, () if error else anns, error))

    return run


@pytest.fixture
def process(make_store, work):
    """All that a process does for its shard; what it returns is its verdict."""

    def run(shard=WHOLE, broken=(), overwrite=False, **kwargs):
        with make_store(shard, **kwargs) as store:
            if store.open(overwrite):
                return 'complete before'
            work(store, broken)
            return store.finalize()

    return run


@pytest.fixture
def expected(process, tmp_path):
    out = tmp_path / 'undisturbed' / 'masks.json'
    process(out=out)
    return contents(out.parent)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize('number', [1, 2, 3, 6, 8])
def test_case_c1_the_union_of_all_shards_is_the_whole(process, out, expected, number):
    verdicts = [process(Shard(index, number)) for index in range(number)]
    assert [verdict is None for verdict in verdicts[:-1]] == [
        index < min(number, 6) - 1 for index in range(number - 1)
    ]
    assert verdicts[-1] is not None
    assert contents(out.parent) == expected


def test_shards_may_end_in_any_order_and_differ_in_layout(process, out, expected):
    layout = [Shard(0, 3), Shard(1, 3), Shard(2, 3), Shard(1, 2)]
    for order in itertools.permutations(layout):
        for shard in order:
            process(shard)
        assert contents(out.parent) == expected, order
        for path in out.parent.iterdir():
            path.unlink()


def test_a_shard_that_is_done_has_nothing_left_to_do(process, make_store, out):
    assert process(Shard(1, 3)) is None
    with make_store(Shard(1, 3)) as store:
        assert store.open() is False
        assert store.pending() == []
        assert store.own_counts.n_images == store.n_owned == 4
        assert store.finalize() is None
    assert not out.exists()
    process(Shard(0, 3))
    process(Shard(2, 3))
    assert process(Shard(1, 3)) == 'complete before'


def test_a_shard_at_work_is_named_and_left_alone(make_store, process, work, out):
    with make_store(Shard(1, 3)) as store:
        store.open()
        work(store, limit=3)
        before = contents_of_parts(store)
        with pytest.raises(
            OutputInUseError,
            match=rf'shard 1 of 3 of .*masks\.json is being worked on by process '
            rf'{os.getpid()} on .*nothing was changed',
        ):
            process(Shard(1, 3))
        with pytest.raises(OutputInUseError, match=r'shard 1 of 3'):
            process(Shard(1, 3), overwrite=True)
        assert contents_of_parts(store) == before
        assert process(Shard(0, 3)) is None
    with make_store() as store:
        store.open()
        with pytest.raises(OutputInUseError, match=r'^\S*masks\.json is being worked'):
            process()


def contents_of_parts(store):
    # But for the guard, which names who held it last.
    return {n: b for n, b in contents(store.parts_dir).items() if n != 'guard.lock'}


def test_other_settings_are_refused_before_there_is_a_result(make_store, process):
    with make_store(Shard(0, 2)) as store:
        store.open()
        with pytest.raises(OutputInUseError, match='which has other settings'):
            process(Shard(1, 2), settings=5)
        with pytest.raises(OutputInUseError, match='which has other settings'):
            process(Shard(1, 2), settings=5, overwrite=True)
    # Nothing of it is left, so the other settings may have the place.
    assert process(settings=5) is not None


def test_other_settings_are_named_once_there_are_results(make_store, process, work):
    with make_store(Shard(0, 2)) as store:
        store.open()
        work(store)
        with pytest.raises(SignatureMismatchError, match='topk: 20 there, 5 here'):
            process(Shard(1, 2), settings=5)


def test_overwriting_does_not_pull_the_floor_from_under_others(
    make_store, process, work, out, expected
):
    with make_store() as store:
        store.open()
        work(store, limit=4)
        with pytest.raises(OutputInUseError, match='what --overwrite throws away'):
            process(Shard(1, 2), overwrite=True)
        work(store)
        store.finalize()
    assert contents(out.parent) == expected


def test_overwriting_starts_the_own_shard_over_and_no_other(
    make_store, process, work, out, expected
):
    process(Shard(0, 2))
    with make_store(Shard(1, 2)) as store:
        store.open(overwrite=True)
        assert len(store.pending()) == store.n_owned
        work(store)
        with make_store(Shard(0, 2)) as other:
            other.open()
            assert other.pending() == []
        assert store.finalize() is not None
    assert contents(out.parent) == expected


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
def test_all_shards_together_may_overwrite_another_run(
    process, make_store, out, expected, order
):
    process(settings=5)
    old = out.read_bytes()
    first, second = (Shard(index, 2) for index in order)
    assert process(first, overwrite=True) is None
    assert out.read_bytes() == old
    assert process(second, overwrite=True) is not None
    assert contents(out.parent) == expected


def test_a_run_with_other_settings_that_was_broken_off_is_overwritten(
    make_store, process, work, out, expected
):
    with make_store(settings=5) as store:
        store.open()
        work(store, limit=6)
    with pytest.raises(SignatureMismatchError):
        process()
    process(overwrite=True)
    assert contents(out.parent) == expected


@pytest.mark.parametrize('last', [0, 1, 2])
def test_whoever_completes_it_lists_the_broken_images_of_all(process, out, last):
    order = [index for index in range(3) if index != last] + [last]
    counts = [process(Shard(i, 3), broken=(40, 60, 100)) for i in order][-1]
    assert counts.n_broken == 3
    listed = out.with_name('masks.json.quarantine.jsonl').read_text().splitlines()
    assert [json.loads(line) for line in listed] == [
        {'image_id': i, 'reason': f'no file {i}'} for i in (40, 60, 100)
    ]


def test_the_list_of_a_run_that_goes_on_holds_the_broken_images_of_all(process, out):
    process(Shard(1, 3), broken=(20,))
    process(Shard(0, 3), broken=(10,))
    listed = out.with_name('masks.json.quarantine.jsonl').read_text().splitlines()
    assert [json.loads(line)['image_id'] for line in listed] == [10, 20]


def test_repaired_images_leave_the_list_whoever_completes_the_run(process, out):
    process(Shard(0, 2), broken=(40, 30))
    process(Shard(0, 2), broken=(30,))
    counts = process(Shard(1, 2), broken=(20,))
    assert counts.n_broken == 2
    listed = out.with_name('masks.json.quarantine.jsonl').read_text().splitlines()
    assert [json.loads(line)['image_id'] for line in listed] == [20, 30]


def test_too_many_are_too_many_over_all_shards(process, out):
    kwargs = {'max_broken': 0.3}  # 3 of 11
    assert process(Shard(0, 2), broken=(40, 10), **kwargs) is None
    with pytest.raises(TooManyBrokenError, match=r'4 of 11 .*image_id 40'):
        process(Shard(1, 2), broken=(20, 70), **kwargs)
    # Its results are there, but nobody completes the run.
    with pytest.raises(TooManyBrokenError, match=r'4 of 11'):
        process(Shard(0, 2), broken=(40, 10), **kwargs)
    assert not out.exists()
    assert process(Shard(1, 2), broken=(20,), **kwargs).n_broken == 3


def test_who_completes_a_run_does_not_overlook_too_many(process, out):
    assert process(Shard(0, 2), broken=(40, 10), max_broken=1.0) is None
    with pytest.raises(TooManyBrokenError, match=r'2 of 11 .*tolerated: 1'):
        process(Shard(1, 2), max_broken=0.1)
    assert not out.exists()


def test_a_damaged_chunk_of_another_shard_is_found_at_the_end(
    make_store, process, out, expected
):
    process(Shard(0, 2))
    chunk = out.parent / 'masks.json.parts' / 'chunk-000000.jsonl'
    chunk.write_bytes(chunk.read_bytes().replace(b'"rank":0', b'"rank":9', 1))
    with pytest.raises(ValueError, match=r'chunk-000000\.jsonl was altered'):
        process(Shard(1, 2))
    assert not out.exists()
    assert process(Shard(0, 2)) is not None
    assert contents(out.parent) == expected


def test_a_chunk_of_another_shard_that_was_cut_off_is_missing(process, out, expected):
    process(Shard(0, 2))
    chunk = out.parent / 'masks.json.parts' / 'chunk-000002.jsonl'
    chunk.write_bytes(chunk.read_bytes()[:-5])
    assert process(Shard(1, 2)) is None
    assert process(Shard(0, 2)) is not None
    assert contents(out.parent) == expected


def test_a_shard_without_images_has_nothing_to_do(make_store, process):
    with make_store(Shard(7, 8)) as store:
        store.open()
        assert (store.pending(), store.n_owned) == ([], 0)
        assert store.finalize() is None
        assert store.counts.n_images == 0


def test_what_a_kill_leaves_of_a_complete_run_is_removed(process, out, expected):
    process()
    leftovers = out.parent / 'masks.json.parts'
    leftovers.mkdir()
    (leftovers / 'run.json').write_text('{}')
    (leftovers / '.masks.json.abc.part').write_text('half')
    (leftovers / 'shard-0-of-1.lock').write_text('')
    assert completed_counts(out, RunSignature({'topk': 20})).n_images == 11
    remove_leftovers(out)
    assert contents(out.parent) == expected
    leftovers.mkdir()
    assert process() == 'complete before'
    assert contents(out.parent) == expected


def test_what_another_process_needs_is_not_removed(make_store, process, work, out):
    process()
    with make_store() as store:
        store.open(overwrite=True)
        work(store, limit=4)
        remove_leftovers(out)
        work(store)
        assert store.finalize() is not None
    assert not store.parts_dir.exists()


def test_who_has_to_wait_long_is_told_for_whom(process, out, monkeypatch):
    monkeypatch.setattr(run_folder, 'PATIENCE', 0.0)
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    MMLogger.get_current_instance().addHandler(handler)
    folder = RunFolder(out)
    waiting = threading.Thread(target=process)
    try:
        with folder.guard():
            waiting.start()
            while not lines:
                time.sleep(0.001)
    finally:
        MMLogger.get_current_instance().removeHandler(handler)
    waiting.join(10)
    assert f'waiting for process {os.getpid()} on ' in lines[0]
    assert out.exists()


def test_a_mistake_leaves_nothing(make_store, process, out):
    out.parent.mkdir()
    out.write_text('[]')
    with pytest.raises(ValueError, match='nothing says which run wrote it'):
        process(Shard(0, 2))
    assert list(out.parent.iterdir()) == [out]


def test_a_folder_that_cannot_be_made_is_named(make_store, tmp_path):
    (tmp_path / 'file').write_text('')
    with (
        pytest.raises(OSError, match=r'cannot write .*file/masks\.json: Not a dir'),
        make_store(out=tmp_path / 'file' / 'masks.json') as store,
    ):
        store.open()
    (tmp_path / 'masks.json.parts').write_text('')
    with (
        pytest.raises(OSError, match=r'cannot write .*masks\.json: File exists'),
        make_store(out=tmp_path / 'masks.json') as store,
    ):
        store.open()


def test_shards_that_do_not_exist_are_explained(make_store):
    with pytest.raises(ValueError, match='at least one shard, not 0'):
        Shard(0, 0)
    with pytest.raises(ValueError, match=r'no shard 3 of 3; .* from 0 to 2'):
        Shard(3, 3)
    with pytest.raises(ValueError, match=r'no shard -1 of 2'):
        Shard(-1, 2)
    with pytest.raises(ValueError, match='chunk_size'):
        PseudoLabelStore('x', [1], RunSignature({}), chunk_size=0)


def test_shards_of_shards_cover_everything_once():
    parts = [Shard(i, 3).part(k, 4) for i in range(3) for k in range(4)]
    owners = [[part for part in parts if part.owns(chunk)] for chunk in range(40)]
    assert {len(owner) for owner in owners} == {1}
    assert [Shard(2, 3).owns(chunk) for chunk in range(40)] == [
        any(Shard(2, 3).part(k, 4).owns(chunk) for k in range(4)) for chunk in range(40)
    ]
    assert Shard.of_lock(Shard(5, 12).lock_name) == Shard(5, 12)


def test_a_footer_is_read_without_the_results_however_long_it_is(tmp_path):
    path = tmp_path / 'chunk'
    records = [ImageRecord(i, error='x' * 100) for i in range(100)]
    footer = write_chunk(path, records, 'digest')
    assert len(path.read_bytes().splitlines()[-1]) > 10_000
    peeked = peek_footer(path, 'digest')
    assert peeked == read_chunk(path, 'digest')[0]
    assert peeked.counts == footer.counts
    assert [image.image_id for image in peeked.broken] == list(range(100))
    assert peek_footer(path, 'other') is None
    assert peek_footer(tmp_path / 'missing', 'digest') is None
    for damaged in (b'', b'\n', path.read_bytes()[:-1], b'[]\n', b'{"footer":3}\n'):
        path.write_bytes(damaged)
        assert peek_footer(path, 'digest') is None
        assert read_chunk(path, 'digest') is None
    assert ChunkFooter.from_line(b'{"footer":{}}') is None
