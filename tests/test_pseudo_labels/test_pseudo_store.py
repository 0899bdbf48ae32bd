"""A store that survives a kill at any moment and always ends in the same bytes."""

from __future__ import annotations

import json

import pytest

from mmdet_ovis.pseudo_labels.chunks import ImageRecord
from mmdet_ovis.pseudo_labels.quarantine import (
    BrokenImage,
    Quarantine,
    TooManyBrokenError,
    read_quarantine,
)
from mmdet_ovis.pseudo_labels.run_header import completed_counts
from mmdet_ovis.pseudo_labels.signature import RunSignature, SignatureMismatchError
from mmdet_ovis.pseudo_labels.store import PseudoLabelStore

IMAGE_IDS = [40, 10, 20, 70, 30, 60, 50, 80]
SETTINGS = {'topk': 20, 'pa_to_masks': {'nms': 0.2, 'join_thresh': 1.0}}


@pytest.fixture
def record(make_annotation):
    """The result of an image: as many masks as its id has tens, at most three."""

    def make(image_id: int) -> ImageRecord:
        number = image_id // 10 % 4
        anns = [make_annotation(image_id, rank, gt_iou=0.25) for rank in range(number)]
        return ImageRecord(image_id, anns)

    return make


def die(store):
    """What a kill does to the lock of a process: the file stays, the lock does not."""
    if store._folder.is_claimed:
        store._folder._claim.release(remove=False)
        store._folder._claim = None


@pytest.fixture
def make_store(tmp_path):
    """A store of a new process; those before it have died, unless they live on."""
    stores = []

    def make(
        settings=SETTINGS,
        image_ids=IMAGE_IDS,
        name='masks.json',
        alongside=False,
        **kwargs,
    ):
        if not alongside:
            for store in stores:
                die(store)
        kwargs = {'chunk_size': 3, **kwargs}
        out = tmp_path / name
        store = PseudoLabelStore(out, image_ids, RunSignature(settings), **kwargs)
        stores.append(store)
        return store

    return make


@pytest.fixture
def fill(record):
    def run(store, positions=None):
        for position in store.pending() if positions is None else positions:
            store.add(position, record(store.image_ids[position]))

    return run


@pytest.fixture
def complete(make_store, fill):
    """The bytes of an undisturbed run."""
    store = make_store(name='undisturbed.json')
    store.open()
    fill(store)
    store.finalize()
    store.close()
    return store.out.read_bytes()


def test_case_c1_one_entry_an_image_in_dataset_order(complete, record):
    lists = json.loads(complete)
    assert lists == [list(record(i).annotations) for i in IMAGE_IDS]
    assert [] in lists


def test_the_parts_go_and_the_header_stays(make_store, fill):
    store = make_store()
    assert store.open() is False
    assert not (store.parts_dir / 'run.json').exists()
    fill(store)
    assert (store.parts_dir / 'run.json').is_file()
    files = sorted(path.name for path in store.parts_dir.glob('chunk-*'))
    assert files == [f'chunk-{i:06d}.jsonl' for i in range(3)]
    counts = store.finalize()
    assert (counts.n_images, counts.n_masks, counts.n_empty) == (8, 12, 2)
    assert counts.sum_gt_iou == pytest.approx(12 * 0.25)
    store.close()
    assert not store.parts_dir.exists()
    again = make_store()
    assert again.open() is True
    assert again.counts == counts
    assert completed_counts(store.out, RunSignature(SETTINGS)) == counts
    assert completed_counts(store.out, RunSignature({'topk': 1})) is None


def test_every_chunk_ends_with_a_footer(make_store, fill):
    store = make_store()
    store.open()
    fill(store)
    lines = (store.parts_dir / 'chunk-000002.jsonl').read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[0])['image_id'] == 50
    footer = json.loads(lines[-1])['footer']
    assert footer['counts']['n_images'] == 2
    assert footer['signature'] == store.signature.digest


@pytest.mark.parametrize('stop', range(len(IMAGE_IDS) + 1))
def test_a_run_stopped_anywhere_resumes_to_the_same_bytes(
    make_store, fill, complete, stop
):
    store = make_store()
    store.open()
    fill(store, store.pending()[:stop])
    resumed = make_store()
    assert resumed.open() is False
    # All chunks that were complete are there, nothing of the others.
    full = stop // 3 * 3 if stop < len(IMAGE_IDS) else stop
    assert resumed.pending() == list(range(full, len(IMAGE_IDS)))
    fill(resumed)
    resumed.finalize()
    assert resumed.out.read_bytes() == complete


def test_results_may_come_in_any_order(make_store, fill, complete):
    store = make_store()
    store.open()
    fill(store, [5, 0, 7, 2, 6, 4, 1, 3])
    store.finalize()
    assert store.out.read_bytes() == complete


@pytest.mark.parametrize(
    'damage',
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data.splitlines(keepends=True)[0],
        lambda data: data.replace(b'"rank":0', b'"rank":1', 1),
        lambda data: b'',
    ],
    ids=['half', 'no newline', 'no footer', 'altered', 'empty'],
)
def test_a_damaged_chunk_does_not_exist(make_store, fill, complete, damage):
    store = make_store()
    store.open()
    fill(store)
    chunk = store.parts_dir / 'chunk-000001.jsonl'
    chunk.write_bytes(damage(chunk.read_bytes()))
    resumed = make_store()
    resumed.open()
    assert resumed.pending() == [3, 4, 5]
    fill(resumed)
    resumed.finalize()
    assert resumed.out.read_bytes() == complete


def test_a_chunk_altered_during_the_run_is_not_believed(make_store, fill):
    store = make_store()
    store.open()
    fill(store)
    chunk = store.parts_dir / 'chunk-000000.jsonl'
    chunk.write_bytes(chunk.read_bytes().replace(b'"rank":0', b'"rank":9', 1))
    with pytest.raises(ValueError, match=r'chunk-000000\.jsonl was altered'):
        store.finalize()
    assert not store.out.exists()


@pytest.mark.parametrize('finished', [False, True])
def test_other_settings_are_refused_by_name(make_store, fill, finished):
    store = make_store()
    store.open()
    fill(store)
    if finished:
        store.finalize()
    other = {'topk': 20, 'pa_to_masks': {'nms': 0.3, 'join_thresh': 1.0}}
    with pytest.raises(
        SignatureMismatchError, match=r'\(pa_to_masks\.nms: 0\.2 there, 0\.3 here\)'
    ):
        make_store(other).open()
    with pytest.raises(SignatureMismatchError, match='n_images: 8 there, 7 here'):
        make_store(image_ids=IMAGE_IDS[:-1]).open()
    fresh = make_store(other)
    assert fresh.open(overwrite=True) is False
    assert fresh.pending() == list(range(8))


def test_overwriting_keeps_the_old_output_until_the_new_one_is_there(
    make_store, fill, complete
):
    for run in range(2):
        store = make_store()
        store.open(overwrite=True)
        assert store.out.exists() is (run == 1)
        fill(store)
        store.finalize()
    assert store.out.read_bytes() == complete
    # Stopped before the first result, nothing is lost.
    store = make_store({'topk': 1})
    store.open(overwrite=True)
    assert make_store().open() is True
    # Stopped after it, the same command goes on with the new run.
    fill(store, [0, 1, 2])
    with pytest.raises(SignatureMismatchError):
        make_store().open()
    resumed = make_store({'topk': 1})
    assert resumed.open() is False
    assert resumed.pending() == [3, 4, 5, 6, 7]
    assert resumed.out.read_bytes() == complete


def test_a_foreign_or_changed_output_is_not_touched(make_store, fill):
    store = make_store()
    store.out.write_text('[]')
    with pytest.raises(ValueError, match='nothing says which run wrote it'):
        store.open()
    assert store.out.read_text() == '[]'
    store.open(overwrite=True)
    fill(store)
    store.finalize()
    store.out.write_text('[[]]')
    with pytest.raises(ValueError, match='was changed after the run'):
        make_store().open()


def test_broken_images_are_listed_and_tried_again(make_store, record, fill, complete):
    store = make_store(max_broken=0.5)
    store.open()
    for position in store.pending():
        image_id = store.image_ids[position]
        if image_id in (10, 50):
            store.add(position, ImageRecord(image_id, error=f'no file {image_id}.png'))
        else:
            store.add(position, record(image_id))
    assert [
        json.loads(li) for li in store.quarantine.path.read_text().splitlines()
    ] == [
        {'image_id': 10, 'reason': 'no file 10.png'},
        {'image_id': 50, 'reason': 'no file 50.png'},
    ]
    assert store.counts.n_broken == 2
    # Whoever has repaired the files repeats the command.
    repaired = make_store(max_broken=0.5)
    repaired.open()
    assert repaired.pending() == [1, 6]
    fill(repaired)
    assert repaired.finalize().n_broken == 0
    assert repaired.out.read_bytes() == complete
    assert not repaired.quarantine.path.exists()


def test_a_complete_run_keeps_an_empty_entry_for_broken_images(make_store, record):
    store = make_store()
    store.open()
    for position in store.pending():
        image_id = store.image_ids[position]
        error = 'cannot be decoded' if image_id == 70 else None
        anns = () if error else record(image_id).annotations
        store.add(position, ImageRecord(image_id, anns, error))
    counts = store.finalize()
    assert (counts.n_broken, counts.n_empty) == (1, 2)
    lists = json.loads(store.out.read_text())
    assert len(lists) == 8
    assert lists[3] == []
    assert '"image_id":70' in store.quarantine.path.read_text()


def test_too_many_broken_images_end_the_job_but_lose_nothing(make_store, record):
    store = make_store(max_broken=0.3)
    store.open()
    store.add(0, ImageRecord(40, error='gone'))
    store.add(1, ImageRecord(10, error='gone'))
    with pytest.raises(TooManyBrokenError, match=r'3 of 8 .*tolerated: 2.*image_id 40'):
        store.add(2, ImageRecord(20, error='gone'))
    resumed = make_store(max_broken=1.0)
    resumed.open()
    assert resumed.counts.n_broken == 3


@pytest.mark.parametrize(
    ('n_images', 'max_broken', 'tolerated'),
    [
        (1, None, 0),
        (8, None, 4),
        (100, None, 10),
        (1000, None, 50),
        (1000, 0.0, 0),
        (1000, 1.0, 1000),
    ],
)
def test_how_many_broken_images_are_tolerated(
    tmp_path, n_images, max_broken, tolerated
):
    assert Quarantine(tmp_path / 'q', n_images, max_broken).tolerated == tolerated


def test_mistakes_are_explained(make_store, record):
    with pytest.raises(ValueError, match='no image'):
        make_store(image_ids=[])
    with pytest.raises(ValueError, match='twice'):
        make_store(image_ids=[1, 2, 1])
    with pytest.raises(ValueError, match=r'share in \[0, 1\]'):
        make_store(max_broken=5)
    store = make_store()
    store.open()
    with pytest.raises(ValueError, match='position 0 holds image 40, not 10'):
        store.add(0, record(10))
    with pytest.raises(ValueError, match='8 images have no result yet'):
        store.finalize()
    store.out.mkdir()
    with pytest.raises(ValueError, match='is a folder'):
        store.open()


def test_what_was_searched_in_vain_is_listed(make_store, record, tmp_path):
    store = make_store()
    store.open()
    for position in store.pending():
        image_id = store.image_ids[position]
        dropped = [{'name': 'dog', 'reason': 'flat'}] * (image_id // 40)
        store.add(
            position, ImageRecord(image_id, record(image_id).annotations, None, dropped)
        )
    counts = store.finalize()
    assert counts.dropped == {'flat': 6}
    lines = (tmp_path / 'masks.json.dropped.jsonl').read_text().splitlines()
    assert [json.loads(line)['image_id'] for line in lines] == [40, 70, 60, 50, 80, 80]
    assert json.loads(lines[0]) == {'image_id': 40, 'name': 'dog', 'reason': 'flat'}


def test_without_drops_there_is_no_list(make_store, record, tmp_path):
    (tmp_path / 'masks.json.dropped.jsonl').write_text('of an earlier run')
    store = make_store()
    store.open()
    for position in store.pending():
        store.add(position, record(store.image_ids[position]))
    assert store.finalize().dropped == {}
    assert not (tmp_path / 'masks.json.dropped.jsonl').exists()


def test_starting_over_takes_the_list_of_an_earlier_run_away(make_store, record):
    store = make_store()
    store.dropped_file.write_text('of an earlier run')
    store.open()
    assert store.dropped_file.exists()  # nothing has been done yet
    for position in store.pending()[:3]:  # a chunk
        store.add(position, record(store.image_ids[position]))
    assert not store.dropped_file.exists()


def test_quarantine_is_read_back(tmp_path):
    path = tmp_path / 'q.jsonl'
    assert read_quarantine(path) == []
    quarantine = Quarantine(path, 10)
    quarantine.replace([BrokenImage(7, 'no\u2028image'), BrokenImage(3, 'missing')])
    quarantine.save()
    assert read_quarantine(path) == quarantine.images
    path.write_text('{"image_id": 7, "reason": "x"}\n{"image_id": 8}\n')
    with pytest.raises(ValueError, match=r'q\.jsonl: line 2 is not an image in quar'):
        read_quarantine(path)
