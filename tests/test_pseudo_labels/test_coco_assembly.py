"""From pseudo annotations with words to one COCO file."""

from __future__ import annotations

import contextlib
import io
import json
import random

import pytest
from pycocotools.coco import COCO

from mmdet_ovis.pseudo_labels.class_selection import PRESETS, AssemblyOptions
from mmdet_ovis.pseudo_labels.coco_assembly import assemble_coco
from mmdet_ovis.pseudo_labels.reader import load_pseudo_annotations
from mmdet_ovis.pseudo_labels.reference import Reference
from mmdet_ovis.structures.base_novel import BaseNovel

CATEGORIES = [{'id': 18, 'name': 'dog'}, {'id': 91, 'name': 'Gnu'}]
ALL = AssemblyOptions(min_conf=None, nms_iou=None)


@pytest.fixture
def reference(write_json):
    """Images 7 (b.png), 9 (a.png) and 3 (c.png)."""
    images = [
        {'id': i, 'file_name': f'{name}.png', 'height': 12, 'width': 16}
        for i, name in ((7, 'b'), (9, 'a'), (3, 'c'))
    ]
    categories = [{'id': 1, 'name': 'person'}]
    content = {'images': images, 'annotations': [], 'categories': categories}
    return Reference.read(write_json('ref.json', content))


@pytest.fixture
def mask(make_annotation, make_rle):
    def mask(image_id, rank, word, box=(1, 2, 4, 5), score=0.9, **more):
        return make_annotation(
            image_id,
            rank,
            word=word,
            score=score,
            segmentation=make_rle(*box),
            source='gradcam',
            **more,
        )

    return mask


@pytest.fixture
def masks(mask):
    return [
        [
            mask(7, 0, 'dog'),
            mask(7, 1, 'Dog', (1, 2, 4, 4), 0.8),  # IoU 0.8 with the first
            mask(7, 2, 'dog', (8, 2, 4, 4), 0.7),
            mask(7, 3, 'gnu', (1, 2, 4, 4), 0.6),
            mask(7, 4, 'dog', (8, 8, 4, 4), 0.2),
        ],
        [mask(9, 0, 'emu', (0, 0, 2, 2), 0.5, phrase='the emu')],
        [],
    ]


@pytest.fixture
def assemble(reference, write_json, tmp_path):
    def run(masks, categories=None, options=None, **more):
        inputs = masks
        if not isinstance(masks[0], str):
            inputs = [write_json('masks.json', masks)]
        out = tmp_path / 'pseudo.json'
        report = assemble_coco(reference, inputs, out, categories, options, **more)
        return json.loads(out.read_text()), report

    return run


def words(content):
    return [(x['image_id'], x['word'], x['score']) for x in content['annotations']]


def test_case_14_valid_coco_file(assemble, masks, tmp_path):
    content, _ = assemble(masks)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / 'pseudo.json'))
    anns = coco.loadAnns(coco.getAnnIds())
    assert [ann['id'] for ann in anns] == [1, 2, 3, 4]
    for ann in anns:
        decoded = coco.annToMask(ann)
        assert ann['area'] == decoded.sum()
        x, y, w, h = ann['bbox']
        assert decoded[y : y + h, x : x + w].sum() == ann['area'] == w * h
        assert ann['iscrowd'] == 0
        assert coco.cats[ann['category_id']]['name'] == ann['word']
    assert content['annotations'][0]['phrase'] == 'the emu'  # keys of the source stay
    assert content['info']['options']['min_conf'] == 0.3
    by_image = load_pseudo_annotations(tmp_path / 'pseudo.json')
    assert [ann['rank'] for ann in by_image[7]] == [0, 1, 2]


def test_case_14_images_without_labels_are_counted(assemble, masks):
    content, report = assemble(masks)
    assert [image['id'] for image in content['images']] == [9, 7, 3]  # by name
    assert (report.n_images, report.n_without_labels) == (3, 1)
    content, report = assemble([[]])
    assert (report.n_without_labels, report.n_kept) == (3, 0)
    assert content['categories'] == content['annotations'] == []
    assert sum(report.scores[0]) == 0


def test_case_14_two_captions_of_one_image_merge(assemble, mask):
    parts = [[mask(7, 0, 'dog')], [mask(7, 0, 'gnu', (8, 2, 4, 4), 0.95)]]
    content, _ = assemble(parts)
    assert words(content) == [(7, 'gnu', 0.95), (7, 'dog', 0.9)]
    assert [ann['rank'] for ann in content['annotations']] == [0, 1]


def test_case_14_same_bytes_for_shuffled_input(
    assemble, masks, mask, write_json, tmp_path
):
    masks[0] += [
        mask(7, 5, 'dog', (8, 2, 4, 4), 0.7, phrase=text) for text in ('b', 'a')
    ]  # equal but for the phrase
    outputs = set()
    for options in (ALL, PRESETS['compat'], PRESETS['default']):
        for seed in range(4):
            rng = random.Random(seed)
            flat = [ann for image in masks for ann in image]
            rng.shuffle(flat)
            for rank, ann in enumerate(flat):
                ann['rank'] = rank
            write_json('part_0.json', [[ann] for ann in flat[:3]])
            write_json('part_1.json', [[ann] for ann in flat[3:]])
            paths = [str(tmp_path / f'part_{i}.json') for i in (0, 1)]
            rng.shuffle(paths)
            assemble(paths, options=options)
            outputs.add((options, (tmp_path / 'pseudo.json').read_bytes()))
    assert len(outputs) == 3


def test_overlaps_are_judged_class_by_class(assemble, masks):
    content, report = assemble(masks)
    assert words(content) == [
        (9, 'emu', 0.5), (7, 'dog', 0.9), (7, 'dog', 0.7), (7, 'gnu', 0.6),
    ]  # fmt: skip
    assert report.dropped.counts == {
        'score below 0.3': 1,
        'overlaps a better one of its class': 1,
    }
    options = AssemblyOptions(min_conf=None, nms_iou=0.8)
    assert len(assemble(masks, options=options)[0]['annotations']) == 6


@pytest.mark.parametrize(
    ('options', 'kept', 'reason'),
    [
        ({'min_area': 17}, [0.9], 'mask of less than 17 pixels'),
        ({'min_conf': 0.65}, [0.9, 0.8, 0.7], 'score below 0.65'),
        ({'max_per_class': 2}, [0.5, 0.9, 0.8, 0.6], 'more than 2 of a class in an im'),
    ],
)
def test_rules_and_their_reasons(assemble, masks, options, kept, reason):
    changes = {'min_conf': None, 'nms_iou': None, **options}
    content, report = assemble(masks, options=AssemblyOptions(**changes))
    assert [ann['score'] for ann in content['annotations']] == kept
    (found,) = report.dropped.counts
    assert found.startswith(reason)
    assert report.n_read == 6


def test_compat_keeps_one_of_a_class_at_random(assemble, masks):
    seen = set()
    for seed in range(30):
        options = AssemblyOptions(**{**vars(PRESETS['compat']), 'seed': seed})
        content, _ = assemble(masks, options=options)
        chosen = words(content)
        assert [(image, word) for image, word, _ in chosen][:1] == [(9, 'emu')]
        assert sorted(word for _, word, _ in chosen) == ['dog', 'emu', 'gnu']
        seen.update(score for _, word, score in chosen if word == 'dog')
    assert seen == {0.9, 0.8, 0.7, 0.2}


def test_classes_of_a_vocabulary_have_its_ids(assemble, masks):
    content, report = assemble(masks, CATEGORIES, ALL)
    assert content['categories'] == CATEGORIES
    assert [(x['word'], x['category_id']) for x in content['annotations']] == [
        ('dog', 18), ('dog', 18), ('dog', 18), ('Gnu', 91), ('dog', 18),
    ]  # fmt: skip
    assert report.per_class == {'dog': 4, 'Gnu': 1}
    assert report.dropped.counts == {'word that is not among the classes': 1}


def test_mined_words_are_sorted(assemble, masks, mask):
    content, _ = assemble(masks)
    names = {x['name']: x['id'] for x in content['categories']}
    assert names == {'dog': 18, 'emu': 91, 'gnu': 92}  # a name of COCO has COCO's id
    content, _ = assemble([[mask(7, 0, 'gnu'), mask(7, 1, ' Emu')]])
    names = {x['name']: x['id'] for x in content['categories']}
    assert names == {'emu': 1, 'gnu': 2}


def test_base_and_novel_classes_are_marked(assemble, masks):
    groups = BaseNovel(('emu',), ('dog', 'cat'))
    content, _ = assemble(masks, base_novel=groups)
    marks = {x['name']: x.get('split') for x in content['categories']}
    assert marks == {'dog': 'novel', 'emu': 'base', 'gnu': None}


def test_boxes_of_masks_or_of_proposals(assemble, mask):
    masks = [[mask(7, 0, 'dog', proposal_box=[0, 1, 9, 11], bbox=[3, 3, 1, 1])]]
    assert assemble(masks)[0]['annotations'][0]['bbox'] == [1, 2, 4, 5]
    options = AssemblyOptions(box='proposal')
    ann = assemble(masks, options=options)[0]['annotations'][0]
    assert (ann['bbox'], ann['area']) == ([0, 1, 9, 10], 20)
    with pytest.raises(ValueError, match=r"\[0\]\[0\]: key 'proposal_box' is missing"):
        assemble([[mask(7, 0, 'dog')]], options=options)


def test_without_a_word_the_category_of_the_reference_counts(assemble, mask):
    ann = mask(7, 0, 'dog')
    del ann['word']
    assert words(assemble([[ann]])[0]) == [(7, 'person', 0.9)]
    with pytest.raises(ValueError, match=r"\[0\]\[0\]: key 'word' is missing"):
        assemble([[{**ann, 'category_id': 5}]])


def test_report_of_numbers(assemble, masks):
    _, report = assemble(masks, options=ALL)
    numbers = report.to_dict()
    assert numbers['instances_per_class'] == {'dog': 4, 'emu': 1, 'gnu': 1}
    assert (numbers['read'], numbers['kept'], numbers['images']) == (6, 6, 3)
    histogram = numbers['score_histogram']
    assert histogram['edges'][0] == 0
    assert histogram['edges'][-1] == 1
    assert histogram['counts'][4] == 1  # 0.2 to 0.25
    assert sum(histogram['counts']) == 6
    assert '6 of 6 pseudo annotations from 1 files, 3 of 3 categories' in str(report)
    dropped = str(assemble(masks)[1])
    assert 'left out: 1 x score below 0.3, for example' in dropped
    assert 'masks.json[0][4]' in dropped


def test_scores_of_any_size_have_a_histogram(assemble, mask):
    masks = [[mask(7, 0, 'dog', score=60.0), mask(7, 1, 'gnu', score=10.0)]]
    counts, edges = assemble(masks)[1].scores
    assert (edges[0], edges[-1]) == (10, 60)
    assert counts[0] == counts[-1] == 1


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'nms_iou': 1.5}, r'iou_thresh is an IoU in \[0, 1\], not 1\.5'),
        ({'max_per_class': 0}, 'max_per_class is a number of masks, not 0'),
        ({'order': 'first'}, "order is 'score' or 'random', not 'first'"),
        ({'box': 'tight'}, "box is 'mask' or 'proposal', not 'tight'"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        AssemblyOptions(**options)


def test_masks_that_do_not_fit_are_refused(assemble, mask, make_rle, tmp_path):
    with pytest.raises(ValueError, match=r'\[0\]\[0\]: image_id 4 is not among the 3'):
        assemble([[mask(4, 0, 'dog')]])
    small = {**mask(7, 0, 'dog'), 'segmentation': make_rle(0, 0, 2, 2, (6, 8))}
    with pytest.raises(ValueError, match=r'the mask has size \[6, 8\]'):
        assemble([[small]])
    with pytest.raises(FileNotFoundError, match='no file matches'):
        assemble([str(tmp_path / 'none_*.json')])
    with pytest.raises(ValueError, match='is read here, choose another output'):
        assemble([str(tmp_path / 'pseudo.json')])
