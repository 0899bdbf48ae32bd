"""OpenShapes: what is written to disk, and the tool."""

from __future__ import annotations

import json
import pickle
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO

from mmdet_ovis.datasets.openshapes import (
    CATEGORIES,
    SEEN_CLASSES,
    UNSEEN_CLASSES,
    OpenShapesConfig,
    make_openshapes,
    render_scene,
    sample_scene,
    writer,
)
from mmdet_ovis.datasets.openshapes.catalog import (
    CATALOG,
    COLORS,
    FAMILIES,
    TYPICAL_COLORS,
)

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'dataset_converters' / 'make_openshapes.py'
SMALL = OpenShapesConfig(seed=5, image_size=(96, 128), num_train=24, num_val=8)
NAME_BY_FORM = {form: c.name for c in CATALOG for form in (c.name, c.plural)}
TINY = OpenShapesConfig(seed=1, image_size=64, num_train=3, num_val=1)


def contents(folder):
    """All files of a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def read(summary, kind, split):
    return json.loads(summary.paths.annotations(kind, split).read_text())


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    return make_openshapes(tmp_path_factory.mktemp('openshapes') / 'data', SMALL)


def test_files_and_summary(dataset):
    root = dataset.paths.root
    assert dataset.created
    assert dataset.num_images == {'train': 24, 'val': 8}
    names = set(contents(root))
    assert len([name for name in names if name.startswith('train/')]) == 24
    assert {'openshapes.json', 'train/000001.jpg', 'val/000008.jpg'} <= names
    assert not [name for name in names if name.endswith('.part')]
    info = read(dataset, 'instances', 'train')['info']
    assert info['seed'] == 5
    assert info['parameters'] == SMALL.to_dict()


def test_bytes_do_not_depend_on_the_number_of_workers(dataset, tmp_path):
    again = make_openshapes(tmp_path / 'two', SMALL, workers=2)
    assert contents(again.paths.root) == contents(dataset.paths.root)
    assert again.checksum == dataset.checksum


def test_other_seeds_and_splits_give_other_pictures(dataset, tmp_path):
    other = make_openshapes(tmp_path, OpenShapesConfig(seed=6, num_train=1, num_val=0))
    assert other.checksum != dataset.checksum
    files = contents(dataset.paths.root)
    pictures = [data for name, data in files.items() if name.endswith('.jpg')]
    assert len(set(pictures)) == 32


def test_pycocotools_loads_instances(dataset, capsys):
    for split, count in (('train', 24), ('val', 8)):
        coco = COCO(str(dataset.paths.annotations('instances', split)))
        assert coco.getImgIds() == list(range(1, count + 1))
        assert coco.getCatIds() == list(range(1, 17))
        assert len(coco.getAnnIds()) == dataset.num_instances[split]
    capsys.readouterr()


def test_pycocotools_loads_captions(dataset, capsys):
    coco = COCO(str(dataset.paths.annotations('captions', 'val')))
    for image_id in coco.getImgIds():
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=image_id))
        assert 2 <= len(annotations) <= 3
        assert all(annotation['caption'].endswith('.') for annotation in annotations)
    capsys.readouterr()


def test_categories_say_their_half(dataset):
    categories = read(dataset, 'instances', 'train')['categories']
    assert [category['name'] for category in categories] == list(CATEGORIES)
    halves = {'seen': SEEN_CLASSES, 'unseen': UNSEEN_CLASSES}
    for category in categories:
        assert category['name'] in halves[category['supercategory']]


def test_pictures_have_the_wanted_size(dataset):
    for image in read(dataset, 'instances', 'val')['images']:
        picture = cv2.imread(str(dataset.paths.images('val') / image['file_name']))
        assert picture.shape == (96, 128, 3)
        assert (image['height'], image['width']) == (96, 128)


def test_annotations_are_disjoint_and_complete(dataset):
    content = read(dataset, 'instances', 'train')
    ids = [annotation['id'] for annotation in content['annotations']]
    assert ids == list(range(1, len(ids) + 1))
    taken = {image['id']: np.zeros((96, 128), int) for image in content['images']}
    for annotation in content['annotations']:
        mask = mask_utils.decode(annotation['segmentation'])
        assert isinstance(annotation['segmentation']['counts'], str)
        assert annotation['area'] == mask.sum() >= SMALL.min_visible_area
        assert annotation['iscrowd'] == 0
        rows, columns = np.nonzero(mask)
        box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert annotation['bbox'] == box
        assert annotation['attributes']['color'] in COLORS
        assert annotation['attributes']['pattern'] in FAMILIES
        taken[annotation['image_id']] += mask
    assert max(total.max() for total in taken.values()) == 1


def test_annotations_and_files_are_those_of_the_scene(dataset):
    scene = sample_scene(SMALL, 'val', 2)
    rendering = render_scene(scene, 96, 128)
    picture = cv2.imread(str(dataset.paths.images('val') / '000003.jpg'))[..., ::-1]
    assert np.abs(picture.astype(int) - rendering.image).mean() < 8.0
    content = read(dataset, 'instances', 'val')
    annotations = [a for a in content['annotations'] if a['image_id'] == 3]
    assert len(annotations) == len(scene.sprites)
    for index, annotation in enumerate(annotations):
        mask = mask_utils.decode(annotation['segmentation'])
        np.testing.assert_array_equal(mask, rendering.owners == index)


def test_captions_name_only_what_is_there(dataset):
    nouns = {category.name: category.name for category in CATALOG}
    nouns |= {category.plural: category.name for category in CATALOG}
    content = read(dataset, 'instances', 'train')
    present, looks = {}, {}
    for annotation in content['annotations']:
        name = CATEGORIES[annotation['category_id'] - 1]
        attributes = annotation['attributes']
        present.setdefault(annotation['image_id'], set()).add(name)
        look = (attributes['color'], attributes['pattern'], name)
        looks.setdefault(annotation['image_id'], set()).add(look)
    overviews = set()
    for caption in read(dataset, 'captions', 'train')['annotations']:
        image_id = caption['image_id']
        words = re.findall('[a-z]+', caption['caption'].lower())
        named = {nouns[word] for word in words if word in nouns}
        assert named
        assert named <= present[image_id]
        if named == present[image_id]:
            overviews.add(image_id)
        for color, pattern, noun in zip(words, words[1:], words[2:], strict=False):
            if color in COLORS and noun in nouns:
                assert (color, pattern, nouns[noun]) in looks[image_id]
    assert overviews == set(present)


def test_second_call_does_nothing_and_is_quick(dataset):
    before = contents(dataset.paths.root)
    calls = []
    start = time.perf_counter()
    again = make_openshapes(
        dataset.paths.root, SMALL, progress=lambda *done: calls.append(done)
    )
    assert time.perf_counter() - start < 1.0
    assert not again.created
    assert not calls
    assert again.checksum == dataset.checksum
    assert again.num_instances == dataset.num_instances
    assert contents(dataset.paths.root) == before


def test_other_configuration_is_refused_by_name_of_the_parameter(dataset):
    other = OpenShapesConfig(seed=9, image_size=(96, 128), num_train=24, num_val=8)
    with pytest.raises(FileExistsError, match=r'seed is 5 there and 9 here.*overwrite'):
        make_openshapes(dataset.paths.root, other)


def test_overwrite_replaces_and_keeps_what_is_not_its_own(tmp_path):
    make_openshapes(tmp_path, TINY)
    (tmp_path / 'train' / 'notes.txt').write_text('mine')
    other = OpenShapesConfig(seed=2, image_size=64, num_train=1, num_val=1)
    summary = make_openshapes(tmp_path, other, overwrite=True)
    assert summary.num_images == {'train': 1, 'val': 1}
    names = sorted(path.name for path in (tmp_path / 'train').iterdir())
    assert names == ['000001.jpg', 'notes.txt']


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(FileExistsError, match=r'holds no openshapes\.json'):
        make_openshapes(tmp_path, TINY)


def test_broken_manifest_is_named(tmp_path):
    (tmp_path / 'openshapes.json').write_text('{"signature":')
    with pytest.raises(ValueError, match=r'openshapes\.json'):
        make_openshapes(tmp_path, TINY)


def test_interrupted_generation_is_made_again(tmp_path):
    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_openshapes(tmp_path / 'a', TINY, progress=stop)
    assert make_openshapes(tmp_path / 'a', TINY).created
    whole = make_openshapes(tmp_path / 'b', TINY)
    assert contents(tmp_path / 'a') == contents(whole.paths.root)


@pytest.mark.parametrize('name', ['val/000001.jpg', 'annotations/captions_train.json'])
def test_lost_file_is_made_again(tmp_path, name):
    make_openshapes(tmp_path, TINY)
    before = contents(tmp_path)
    (tmp_path / name).unlink()
    assert make_openshapes(tmp_path, TINY).created
    assert contents(tmp_path) == before


def test_changed_annotations_are_made_again(tmp_path):
    make_openshapes(tmp_path, TINY)
    before = contents(tmp_path)
    (tmp_path / 'annotations' / 'instances_val.json').write_text('{}')
    assert make_openshapes(tmp_path, TINY).created
    assert contents(tmp_path) == before


def test_progress_counts_every_picture(tmp_path):
    calls = []
    make_openshapes(tmp_path, TINY, progress=lambda *done: calls.append(done))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_empty_split_is_a_valid_file(tmp_path, capsys):
    config = OpenShapesConfig(image_size=64, num_train=1, num_val=0)
    summary = make_openshapes(tmp_path, config)
    assert COCO(str(summary.paths.annotations('instances', 'val'))).getImgIds() == []
    capsys.readouterr()


def test_what_workers_run_can_be_pickled(tmp_path):
    """Platforms that cannot fork send it to a fresh interpreter."""
    paths = writer.OpenShapesPaths(tmp_path)
    function, *arguments = pickle.loads(
        pickle.dumps((writer._make_image, paths, TINY, ('val', 0)))
    )
    paths.images('val').mkdir()
    assert function(*arguments)['file_name'] == '000001.jpg'


def test_tool_end_to_end_gives_the_same_bytes_in_another_process(tmp_path):
    command = [sys.executable, str(TOOL), '--out', str(tmp_path / 'tool')]
    command += ['--size', '64', '--num-train', '3', '--num-val', '1']
    command += ['--seed', '1', '--workers', '2']
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 'train: 3 images' in done.stdout
    make_openshapes(tmp_path / 'here', TINY)
    assert contents(tmp_path / 'tool') == contents(tmp_path / 'here')


@pytest.fixture(scope='module')
def tool():
    return runpy.run_path(str(TOOL))['main']


def test_tool_leaves_a_finished_dataset_alone(tool, dataset, capsys):
    size = ['--size', '96', '128', '--num-train', '24', '--num-val', '8']
    tool(['--out', str(dataset.paths.root), '--seed', '5', *size])
    assert 'is already in' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [(['--num-train', '1'], r'holds .*num_train'), (['--size', '9'], 'size')],
)
def test_tool_reports_errors(tool, dataset, arguments, message):
    with pytest.raises((ValueError, OSError), match=message):
        tool(['--out', str(dataset.paths.root), *arguments])


def test_tool_takes_two_sides_at_most(tool, capsys):
    with pytest.raises(SystemExit):
        tool(['--size', '64', '64', '64'])
    assert 'one number or two' in capsys.readouterr().err


def test_typical_colours(tmp_path):
    """With a bias of 1 the colour of a caption is that of its category."""
    config = OpenShapesConfig(num_train=4, num_val=0, image_size=96, color_bias=1.0)
    made = make_openshapes(tmp_path, config, workers=1)
    captions = json.loads(made.paths.annotations('captions', 'train').read_text())[
        'annotations'
    ]
    found = 0
    for annotation in captions:
        words = annotation['caption'].lower().strip('.').replace(',', '').split()
        for color, family, noun in zip(words, words[1:], words[2:], strict=False):
            category = NAME_BY_FORM.get(noun)
            if family in FAMILIES and category is not None:
                assert color == TYPICAL_COLORS[category], annotation['caption']
                found += 1
    assert found > 4


def test_datasets_without_typical_colours_are_what_they_were():
    """Neither their description nor their signature knows of the option."""
    assert 'color_bias' not in OpenShapesConfig().to_dict()
    assert OpenShapesConfig().signature().startswith('7da949647b98478c')
    assert OpenShapesConfig(color_bias=0.5).to_dict()['color_bias'] == 0.5
    with pytest.raises(ValueError, match=r'color_bias must be in \[0, 1\], got 2'):
        OpenShapesConfig(color_bias=2)
