"""Proposals of many images in one file, whatever happens on the way."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from mmdet_ovis.apis import proposal_extraction
from mmdet_ovis.apis.proposal_extraction import (
    PROVIDERS,
    extract_proposals,
    list_images,
    provider_type,
)
from mmdet_ovis.pseudo_labels import SignatureMismatchError
from mmdet_ovis.pseudo_labels.proposals import FileProposals, GridProposals
from mmdet_ovis.pseudo_labels.quarantine import TooManyBrokenError

GRID = dict(type='grid', top_k=5)
SIZES = {3: (20, 30), 1: (40, 20), 2: (32, 32), 8: (24, 48)}


@pytest.fixture
def folder(tmp_path):
    for image_id, (height, width) in SIZES.items():
        pixels = np.full((height, width, 3), 10 * image_id, np.uint8)
        cv2.imwrite(str(tmp_path / f'{image_id}.png'), pixels)
    images = [{'id': i, 'file_name': f'{i}.png'} for i in SIZES]
    (tmp_path / 'images.json').write_text(json.dumps({'images': images}))
    return tmp_path


def extract(folder, name='out/p.npz', provider=GRID, **options):
    return extract_proposals(
        folder / 'images.json', folder, provider, folder / name, **options
    )


def expected(image_id):
    image = np.zeros((*SIZES[image_id], 3), np.uint8)
    return GridProposals(top_k=5).propose(image, image_id, '')


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('name', ['p.npz', 'p.json'])
def test_the_file_has_what_the_provider_proposes(folder, name, workers):
    summary = extract(folder, name, workers=workers, chunk_size=3)
    assert (summary.n_images, summary.n_proposals, summary.n_empty) == (4, 20, 0)
    assert str(summary).startswith('4 images, 20 proposals (5.0 an image)')
    provider = FileProposals(folder / name, nms_iou=None)
    for image_id, size in SIZES.items():
        found = provider.propose(np.zeros((*size, 3), np.uint8), image_id, '')
        assert np.allclose(found.boxes, expected(image_id).boxes, atol=1e-4)
        assert np.allclose(found.scores, expected(image_id).scores)
    assert not (folder / f'{name}.parts').exists()


def test_same_bytes_for_any_chunks_and_interruptions(folder, monkeypatch):
    extract(folder, 'whole.npz', chunk_size=2)
    propose, calls = GridProposals.propose, []

    def break_at_the_third(self, *args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return propose(self, *args)

    monkeypatch.setattr(GridProposals, 'propose', break_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        extract(folder, 'broken.npz', chunk_size=2)
    assert not (folder / 'broken.npz').exists()
    assert (folder / 'broken.npz.parts').is_dir()
    summary = extract(folder, 'broken.npz', chunk_size=2)
    assert summary.n_resumed == 2
    assert len(calls) == 5
    whole, broken = (folder / name for name in ('whole.npz', 'broken.npz'))
    assert whole.read_bytes() == broken.read_bytes()
    assert not (folder / 'broken.npz.parts').exists()


def test_a_complete_output_is_left_and_another_one_is_not_overwritten(folder):
    extract(folder)
    before = (folder / 'out/p.npz').stat().st_mtime_ns
    assert extract(folder).n_resumed == 4
    assert (folder / 'out/p.npz').stat().st_mtime_ns == before
    with pytest.raises(SignatureMismatchError, match=r'top_k: 5 there, 6 here'):
        extract(folder, provider=dict(type='grid', top_k=6))
    summary = extract(folder, provider=dict(type='grid', top_k=6), overwrite=True)
    assert summary.n_proposals == 24
    (folder / 'alien.npz').write_bytes(b'')
    with pytest.raises(ValueError, match=r'alien\.npz exists already'):
        extract(folder, 'alien.npz')


def test_a_run_with_other_settings_is_not_continued(folder, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(proposal_extraction, 'save_proposals', stop)
        with pytest.raises(KeyboardInterrupt):
            extract(folder)
    with pytest.raises(SignatureMismatchError, match='run with other settings'):
        extract(folder, provider=dict(type='grid', top_k=6))
    extract(folder, provider=dict(type='grid', top_k=6), overwrite=True)


def test_broken_images_are_listed_and_tried_again(folder):
    (folder / '1.png').write_bytes(b'no image')
    (folder / '2.png').unlink()
    with pytest.raises(TooManyBrokenError, match=r'2 of 4 images .*image_id 1: '):
        extract(folder, max_broken=0.25, chunk_size=2)
    lines = (folder / 'out/p.npz.quarantine.jsonl').read_text().splitlines()
    assert [json.loads(line)['image_id'] for line in lines] == [1, 2]
    cv2.imwrite(str(folder / '2.png'), np.zeros((32, 32, 3), np.uint8))
    summary = extract(folder, max_broken=0.25, chunk_size=2)
    assert (summary.n_images, summary.n_resumed) == (3, 2)
    assert [image.image_id for image in summary.broken] == [1]
    assert 'not an image' in summary.broken[0].reason


def test_a_complete_run_still_says_what_was_broken(folder):
    (folder / '1.png').write_bytes(b'no image')
    first = extract(folder, max_broken=0.25)
    again = extract(folder, max_broken=0.25)
    assert again.broken == first.broken
    assert (again.n_images, again.n_resumed) == (3, 3)
    assert (again.n_proposals, again.n_empty) == (first.n_proposals, 0)
    assert str(again).endswith('3 done before, 1 that cannot be read')


class KilledError(BaseException):
    """What nobody catches."""


def end_at(monkeypatch, place):
    """Let the next run be ended just before it calls something."""

    def stop(*_, **__):
        raise KilledError

    monkeypatch.setattr(proposal_extraction, place, stop)


def run_to_its_end(folder, monkeypatch, place, **options):
    with monkeypatch.context() as patch:
        if place == 'output header':
            save = proposal_extraction.save_proposals

            def save_and_end(path, found):
                save(path, found)
                if path == folder / 'out/p.npz':
                    raise KilledError

            patch.setattr(proposal_extraction, 'save_proposals', save_and_end)
        else:
            end_at(patch, place)
        with pytest.raises(KilledError):
            extract(folder, **options)


def test_ended_between_output_and_header(folder, monkeypatch):
    extract(folder, 'whole.npz')
    run_to_its_end(folder, monkeypatch, 'output header')
    assert (folder / 'out/p.npz').exists()
    assert not (folder / 'out/p.npz.run.json').exists()
    with pytest.raises(SignatureMismatchError, match=r'top_k: 5 there, 6 here'):
        extract(folder, provider=dict(type='grid', top_k=6))
    assert extract(folder).n_resumed == 4
    assert (folder / 'out/p.npz').read_bytes() == (folder / 'whole.npz').read_bytes()
    assert not (folder / 'out/p.npz.parts').exists()
    assert extract(folder).n_resumed == 4


@pytest.mark.parametrize('place', ['output header', 'map_in_processes'])
def test_starting_over_is_resumed_too(folder, monkeypatch, place):
    """The header of the run before must not be taken for that of the output."""
    six = dict(provider=dict(type='grid', top_k=6))
    extract(folder)
    run_to_its_end(folder, monkeypatch, place, overwrite=True, **six)
    with pytest.raises(SignatureMismatchError, match=r'top_k: 6 there, 5 here'):
        extract(folder)
    assert extract(folder, **six).n_proposals == 24


def test_what_is_left_of_a_complete_run_goes(folder):
    extract(folder)
    parts = folder / 'out/p.npz.parts'
    parts.mkdir()
    (parts / 'run.json').write_text('{}')
    assert extract(folder).n_resumed == 4
    assert not parts.exists()


def test_images_of_captions_are_listed_too(folder):
    (folder / 'c.jsonl').write_text('{"image": "b/12.jpg", "caption": "A dog."}\n')
    assert list_images(folder / 'c.jsonl') == [(12, 'b/12.jpg')]
    coco = {
        'images': [{'id': 5, 'file_name': 'a.jpg'}],
        'annotations': [{'id': 1, 'image_id': 5, 'caption': 'A dog.'}],
    }
    (folder / 'c.json').write_text(json.dumps(coco))
    assert list_images(folder / 'c.json') == [(5, 'a.jpg')]
    (folder / 'c.json').write_text(json.dumps({'images': [{'id': 5}]}))
    with pytest.raises(ValueError, match=r"an image lacks the key 'file_name'"):
        list_images(folder / 'c.json')
    (folder / 'c.json').write_text(json.dumps({'images': []}))
    with pytest.raises(ValueError, match=r'c\.json has no image'):
        list_images(folder / 'c.json')


def test_mistakes_are_named_before_the_work_begins(folder):
    with pytest.raises(ValueError, match=r'p\.pkl: proposals are written as'):
        extract(folder, 'p.pkl')
    with pytest.raises(ValueError, match=r"one of .*grid.*, not 'gird'"):
        extract(folder, provider=dict(type='gird'))
    with pytest.raises(ValueError, match='not None'):
        extract(folder, provider={})
    with pytest.raises(ValueError, match=r"GridProposals cannot be built: .*'topk'"):
        extract(folder, provider=dict(type='grid', topk=3))
    for key in ('limit', 'chunk_size'):
        with pytest.raises(ValueError, match=f'{key} is a number of images, not 0'):
            extract(folder, **{key: 0})
    assert extract(folder, limit=1).n_images == 1


def test_providers_go_by_short_names():
    assert PROVIDERS['wspn'] == 'WSPNProposals'
    assert PROVIDERS['selective_search'] == 'SelectiveSearchProposals'
    assert {'file', 'grid', 'pa', 'rpn', 'detector'} < set(PROVIDERS)
    assert provider_type('GridProposals') == 'GridProposals'


def test_the_tool(folder, root):
    result = subprocess.run(
        [sys.executable, 'tools/ovis/extract_proposals.py', folder / 'images.json',
         '--images', folder, '--provider', 'grid', '--options', 'top_k=5',
         '--out', folder / 'p.npz', '--limit', '2'],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith('2 images, 10 proposals')
