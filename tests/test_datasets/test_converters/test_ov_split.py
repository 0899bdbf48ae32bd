"""Splitting COCO files into base and novel classes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from mmengine.logging import MMLogger

from mmdet_ovis.datasets import OVCocoDataset
from mmdet_ovis.datasets.converters import convert_ov_split
from mmdet_ovis.datasets.converters.class_lists import (
    find_groups,
    parse_renames,
    rank_classes,
)
from mmdet_ovis.datasets.converters.ov_split import SEEN_NAMES
from mmdet_ovis.language.coco_embeddings import read_coco_embeddings
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.structures.class_splits import (
    COCO_OV_BASE_CLASSES,
    COCO_OV_NOVEL_CLASSES,
)
from mmdet_ovis.utils.class_lists import read_class_list

COCO = CocoDataset.METAINFO['classes']
COCO_IDS = [
    i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
]
IDS = dict(zip(COCO, COCO_IDS, strict=True))


def annotation(number, image_id, category_id, **more):
    return {
        'id': number,
        'image_id': image_id,
        'category_id': category_id,
        'bbox': [1, 1, 4, 4],
        'area': 16,
        'iscrowd': 0,
        'segmentation': [[1, 1, 5, 1, 5, 5, 1, 5]],
        **more,
    }


@pytest.fixture
def toy():
    """A has a person and two dogs, B a dog and C a hot dog, of COCO's 80 classes."""
    return {
        'info': {'description': 'toy'},
        'images': [
            {'id': i, 'file_name': f'{name}.jpg', 'height': 8, 'width': 8, 'place': 7}
            for i, name in ((4, 'A'), (2, 'B'), (3, 'C'))
        ],
        'categories': [{'id': i, 'name': name} for name, i in IDS.items()],
        'annotations': [
            annotation(11, 4, IDS['person']),
            annotation(12, 4, IDS['dog']),
            annotation(13, 2, IDS['dog'], iscrowd=1),
            annotation(14, 3, IDS['hot dog']),
        ],
    }


@pytest.fixture
def write(tmp_path):
    def write(content, name='val.json'):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def read(summaries):
    return [json.loads(summary.out.read_text()) for summary in summaries]


def test_case_22_only_images_with_a_kept_annotation(toy, write, tmp_path, load):
    summaries = convert_ov_split(write(toy), tmp_path / 'out')
    names = ['val_base.json', 'val_novel.json', 'val_all.json']
    assert [summary.out.name for summary in summaries] == names
    base, novel, both = read(summaries)
    assert [image['id'] for image in base['images']] == [4]
    assert base['annotations'] == toy['annotations'][:1]
    assert [image['id'] for image in novel['images']] == [4, 2]
    assert novel['annotations'] == toy['annotations'][1:3]  # the crowd, too
    assert both['images'] == toy['images'][:2]
    assert both['annotations'] == toy['annotations'][:3]
    assert [len(x['categories']) for x in (base, novel, both)] == [48, 17, 65]
    for content in (base, novel, both):
        for category in content['categories']:
            assert category['id'] == IDS[category['name']]  # as they were
            part = {'base': base, 'novel': novel}[category['split']]
            assert category in part['categories']
    left_out = str(summaries[0])
    assert '3 x annotation of another class, for example id 12' in left_out
    assert '2 x image without an object of the split, for example id 2' in left_out
    for summary in summaries:
        load(summary.out)


def test_case_22_the_files_say_what_is_novel(toy, write, tmp_path):
    (summary,) = convert_ov_split(write(toy), tmp_path, ['all'], ['dog'], ['hot dog'])
    dataset = OVCocoDataset(
        ann_file=str(summary.out), data_prefix={'img': ''}, pipeline=[]
    )
    assert dataset.metainfo['classes'] == ('dog', 'hot dog')
    assert dataset.metainfo['novel_classes'] == ('hot dog',)
    assert len(dataset) == 3


def test_cmpl_case_1_files_with_text_vectors(toy, write, tmp_path, load):
    """As OVR-CNN and CMPL read them: A for base classes, A and B for the others."""
    assert (len(COCO_OV_BASE_CLASSES), len(COCO_OV_NOVEL_CLASSES)) == (48, 17)
    assert len({*COCO_OV_BASE_CLASSES, *COCO_OV_NOVEL_CLASSES} & set(COCO)) == 65
    for ann in toy['annotations']:  # B{dog}: no crowd here
        ann['iscrowd'] = 0
    toy['categories'][0]['embedding'] = {'GloVE': [1.0]}
    rows = np.arange(2 * len(COCO), dtype=np.float32).reshape(-1, 2)
    bank = TextEmbeddingBank(COCO, rows)
    summaries = convert_ov_split(
        write(toy), tmp_path / 'out', bank=bank, key='BertEmb', names=SEEN_NAMES
    )
    names = ['val_seen.json', 'val_unseen.json', 'val_all.json']
    assert [summary.out.name for summary in summaries] == names
    seen, unseen, both = read(summaries)
    images = {image['id']: image['file_name'][0] for image in toy['images']}
    shown = [[images[i['id']] for i in x['images']] for x in (seen, unseen, both)]
    assert shown == [['A'], ['A', 'B'], ['A', 'B']]
    kept = [[a['category_id'] for a in x['annotations']] for x in (seen, unseen, both)]
    person, dog = IDS['person'], IDS['dog']
    assert kept == [[person], [dog, dog], [person, dog, dog]]
    for content, marks in (
        (seen, {'seen'}),
        (unseen, {'unseen'}),
        (both, {'seen', 'unseen'}),
    ):
        assert {category['split'] for category in content['categories']} == marks
        for category in content['categories']:
            assert category['id'] == IDS[category['name']]
            row = rows[COCO.index(category['name'])].tolist()
            assert category['embedding']['BertEmb'] == row
        taken = read_coco_embeddings(content, 'file', key='BertEmb')
        assert taken.names == tuple(cat['name'] for cat in content['categories'])
    assert seen['categories'][0]['embedding']['GloVE'] == [1.0]
    for summary in summaries:
        load(summary.out)


def test_classes_without_a_vector_are_named(toy, write, tmp_path):
    bank = TextEmbeddingBank(COCO_OV_BASE_CLASSES, np.ones((48, 2)))
    path = write(toy)
    with pytest.raises(ValueError, match=r"val\.json: .* no vector for 'airplane'"):
        convert_ov_split(path, tmp_path / 'out', bank=bank)
    assert not (tmp_path / 'out').exists()
    (summary,) = convert_ov_split(path, tmp_path / 'out', ['base'], bank=bank)
    assert all('ClipEmb' in c['embedding'] for c in read([summary])[0]['categories'])


def test_the_same_bytes_each_time(toy, write, tmp_path):
    path = write(toy)
    first = [s.out.read_bytes() for s in convert_ov_split(path, tmp_path / 'a')]
    again = [s.out.read_bytes() for s in convert_ov_split(path, tmp_path / 'b')]
    assert first == again


MICE = [
    {'id': 1, 'name': 'Mouse', 'mid': '/m/04rmv'},
    {'id': 2, 'name': 'Mouse', 'mid': '/m/020lf'},
    {'id': 3, 'name': 'Studio couch', 'freebase_id': '/m/03m3pdh'},
]


@pytest.mark.parametrize('entry', ['/m/020lf', 2, '2'])
def test_one_name_of_two_classes(toy, write, tmp_path, entry):
    assert find_groups(MICE, [entry], ['/m/03m3pdh']).base == (2,)
    toy['categories'] = MICE
    toy['annotations'] = [annotation(i, 4, i) for i in (1, 2, 3)]
    path = write(toy)
    with pytest.raises(ValueError, match=r'val\.json: the categories \[1, 2\] are all'):
        convert_ov_split(path, tmp_path, ['all'], [1, entry], ['Studio couch'])
    renames = {entry: 'Computer mouse', 'Studio couch': 'studio couch'}
    (content,) = read(
        convert_ov_split(path, tmp_path, ['all'], ['Mouse', entry], [3], renames)
    )
    names = [category['name'] for category in content['categories']]
    assert names == ['Mouse', 'Computer mouse', 'studio couch']


@pytest.mark.parametrize(
    ('by', 'num_novel', 'expected'),
    [
        ('instances', None, (['dog', 7], ['kite', 4])),
        ('instances', 1, (['dog', 7], ['kite'])),
        ('images', None, (['kite', 'dog'], [4, 7])),  # ties by id
    ],
)
def test_frequent_classes_are_base_classes(toy, write, by, num_novel, expected):
    names = {2: 'kite', 9: 'dog', 7: 'cup', 4: 'cup', 5: 'nothing'}
    toy['categories'] = [{'id': i, 'name': name} for i, name in names.items()]
    places = {9: [4, 4, 4, 2], 7: [4, 4, 4], 2: [4, 2], 4: [2]}
    toy['annotations'] = [
        annotation(10 * i + n, place, i)
        for i, images in places.items()
        for n, place in enumerate(images)
    ]
    assert rank_classes(write(toy), 2, num_novel, by) == expected


def test_command_line_ranks_and_splits(toy, write, tmp_path, run):
    path, out = write(toy), tmp_path / 'out'
    code, printed = run('ov_split.py', path, '--rank', 1, 1, '--out-dir', out)
    assert code == 0
    assert 'val_base.json: 2 images, 2 annotations, categories: 1' in printed
    assert read_class_list(out / 'base.txt') == ['dog']
    assert read_class_list(out / 'novel.txt') == ['person']
    for base in (out / 'base.txt', write('# most\n\ndog  # animal\n', 'list.txt')):
        code, _ = run(
            *('ov_split.py', path, '--base', base, '--novel', 'person'),
            *('--rename', 'person=human being', '--splits', 'all', '--out-dir', out),
        )
        assert code == 2  # lists have the new names
    code, _ = run(
        *('ov_split.py', path, '--base', out / 'base.txt', '--novel', 'person'),
        *('--rename', '44=flask', '--splits', 'all', '--out-dir', out),
    )
    assert code == 0
    (content,) = [json.loads((out / 'val_all.json').read_text())]
    assert [category['name'] for category in content['categories']] == ['person', 'dog']


def test_sizes_of_coco_are_compared_with_those_of_papers(toy, write, tmp_path, caplog):
    toy['images'] += [
        {'id': i, 'file_name': f'{i}.jpg', 'height': 8, 'width': 8}
        for i in range(10, 5007)
    ]
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    convert_ov_split(write(toy), tmp_path)
    convert_ov_split(write(toy), tmp_path, ['all'], ['dog'], ['person'])
    logger.removeHandler(caplog.handler)
    assert [record.getMessage().split(';')[0] for record in caplog.records] == [
        f'{tmp_path}/val_all.json: 2 images',
        f'{tmp_path}/val_all.json: 3 objects',
    ]
    assert 'papers give 4836' in caplog.text


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'splits': ['bass']}, r"val\.json: split is one of base, novel, all, not 'ba"),
        ({'base': ['ufo'], 'novel': ['dog']}, r"val\.json: no category.*id 'ufo'"),
        (
            {'base': ['dog', '18'], 'novel': ['cat']},
            "list of base classes has 'dog' tw",
        ),
        ({'base': ['dog'], 'novel': ['cat', 18]}, r'categories \[18\] are base and no'),
        ({'base': ['dog']}, 'given together, or neither'),
        ({'base': ['dog'], 'novel': []}, "split 'novel': the file has no class of it"),
        ({'base': ['cat'], 'novel': ['dog']}, r'no image to write to .*val_base\.json'),
        ({'renames': {'ufo': 'x'}}, "no category has the name or id 'ufo'"),
    ],
)
def test_mistakes_are_named(toy, write, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        convert_ov_split(write(toy), tmp_path, **options)


def test_files_and_lists_that_do_not_fit_are_named(toy, write, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.json'):
        convert_ov_split(tmp_path / 'none.json', tmp_path)
    with pytest.raises(ValueError, match='annotations of 3 classes, which do not make'):
        rank_classes(write(toy), 3)
    with pytest.raises(ValueError, match="by is one of instances, images, not 'area'"):
        rank_classes(write(toy), 1, by='area')
    with pytest.raises(ValueError, match="CLASS=NAME, not 'mouse'"):
        parse_renames(['mouse'])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--rank', 1, 1, 1], '--rank takes the number of base'),
        (['--base', 'ov_bass', '--novel', 'ov_novel'], "Did you mean 'ov_base'"),
        (['--base', 'none.txt', '--novel', 'ov_novel'], 'no such file: none.txt'),
    ],
)
def test_command_line_mistakes_end_in_one_line(
    toy, write, tmp_path, run, arguments, message
):
    code, printed = run('ov_split.py', write(toy), *arguments, '--out-dir', tmp_path)
    assert code == 2
    assert message in printed
