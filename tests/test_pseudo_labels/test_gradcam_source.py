"""Activations in, annotations out."""

from __future__ import annotations

import json
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from crop_case import SIDE, disc, disc_task, iou
from mmdet.registry import TASK_UTILS
from pycocotools import mask as mask_api

from mmdet_ovis.pseudo_labels.crop_segmentation import (
    BoxSegmenter,
    ClusteringSegmenter,
    CompatClusteringSegmenter,
)
from mmdet_ovis.pseudo_labels.sources import (
    DroppedPhrase,
    Evidence,
    GradCamEvidence,
    GradCamSource,
    build_annotations,
)
from mmdet_ovis.structures.phrase import Phrase
from mmdet_ovis.structures.proposals import Proposals
from mmdet_ovis.structures.pseudo_annotation import check_pseudo_annotation

CAPTION = 'a red disk on blue'
WALKER = {'type': 'RandomWalkerSegmenter'}
BOX = [12, 12, 60, 60]


def phrase(name: str, text: str = 'disk') -> Phrase:
    start = CAPTION.index(text)
    return Phrase(name, text, start, start + len(text))


def activation(name='disc', mask=None, box_map=None, **changes):
    mask = disc(14) if mask is None else mask
    fields = {
        'phrase': phrase(name),
        'box_map': np.float32(mask) if box_map is None else box_map,
        'prompt': mask,
        'p_match': (0.75, 0.25),
        'flags': (),
        **changes,
    }
    return SimpleNamespace(**fields)


def make_evidence(*activations, boxes=(BOX,), image_id=5, **changes):
    task, _ = disc_task()
    fields = {
        'image_id': image_id,
        'ori_shape': (SIDE, SIDE),
        'gt_rles': (),
        'image': task.image,
        'activations': activations,
        'proposals': Proposals(boxes, np.ones(len(boxes)), (SIDE, SIDE)),
        'provider': 'grid',
        **changes,
    }
    return GradCamEvidence(**fields)


def make_source(**options):
    options = {'vocabulary': ['cube', 'disc'], 'segmenter': WALKER, **options}
    return TASK_UTILS.build({'type': 'GradCamSource', **options})


def dropped(output):
    return [(each.name, each.reason) for each in output.dropped]


def test_an_activation_becomes_an_annotation_with_its_reasons():
    output = make_source().annotate(make_evidence(activation()))
    (ann,) = output.annotations
    check_pseudo_annotation(ann, 'here')
    assert json.loads(json.dumps(ann)) == ann
    assert (ann['source'], ann['word'], ann['category_id']) == ('gradcam', 'disc', 2)
    assert (ann['phrase'], ann['proposal']) == ('disk', 'grid')
    assert (ann['proposal_box'], ann['p_match']) == (BOX, [0.75, 0.25])
    assert ann['coverage'] == 1
    assert ann['score'] == pytest.approx(np.sqrt(ann['density']), abs=1e-5)
    mask = mask_api.decode(ann['segmentation']).astype(bool)
    assert iou(mask, disc(18)) > 0.95
    assert output.dropped == []
    stages = {'proposals', 'boxes', 'segmentation', 'cleaning'}
    assert set(output.seconds) == stages


def test_a_provider_of_its_own_proposes_where_nobody_did():
    source = make_source(proposals={'type': 'GridProposals'})
    assert source.parameters['proposals']['name'] == 'grid'
    assert make_source().parameters['proposals'] is None
    output = source.annotate(make_evidence(activation(), proposals=None))
    (ann,) = output.annotations
    assert ann['proposal'] == 'grid'
    assert ann['score'] > 0.5
    assert source.annotate(make_evidence(proposals=None)).annotations == []
    given = source.annotate(make_evidence(activation(), provider='mine'))
    assert given.annotations[0]['proposal'] == 'mine'
    with pytest.raises(ValueError, match='image_id 5 has no proposals; give GradCam'):
        make_source().annotate(make_evidence(activation(), proposals=None))


def test_the_best_box_comes_first():
    boxes = [[0, 0, 72, 72], BOX, [20, 20, 52, 52]]
    corner = disc(8, center=(10, 10))
    output = make_source(segmenter={'type': 'PromptSegmenter'}).annotate(
        make_evidence(
            activation('cube', corner), activation(), boxes=[*boxes, [1, 1, 19, 19]]
        )
    )
    assert [ann['rank'] for ann in output.annotations] == [0, 1]
    scores = [ann['score'] for ann in output.annotations]
    assert scores == sorted(scores, reverse=True)
    found = {ann['word']: ann['proposal_box'] for ann in output.annotations}
    assert found == {'cube': [1, 1, 19, 19], 'disc': [20, 20, 52, 52]}


def test_every_drop_has_its_reason():
    flat = activation('cube', flags=('flat_activation',))
    weak = activation('disc', disc(2, center=(3, 3)))
    output = make_source().annotate(make_evidence(flat, weak))
    assert output.annotations == []
    assert dropped(output) == [('cube', 'flat_activation'), ('disc', 'low_confidence')]
    none = make_source().annotate(make_evidence(activation(), boxes=[]))
    assert dropped(none) == [('disc', 'no_proposal')]


def test_case_9_an_image_without_a_proposal_inside_is_a_record_not_a_crash():
    evidence = make_evidence(activation(), boxes=[[80, 80, 90, 90]])
    assert dropped(make_source().annotate(evidence)) == [('disc', 'no_proposal')]
    evidence = make_evidence(activation(), boxes=[[-0.3, 0, 72, 72]])
    compat = make_source(preset='compat')
    assert dropped(compat.annotate(evidence)) == [('disc', 'no_proposal')]
    assert len(make_source().annotate(evidence).annotations) == 1


@pytest.mark.parametrize(
    ('options', 'changes', 'reason'),
    [
        ({}, {'boxes': [[30, 30, 40, 40]]}, 'small_crop'),
        (
            {
                'segmenter': {'type': 'BoxSegmenter'},
                'cleaning': {'max_area_ratio': 0.9},
            },
            {},
            'area_ratio',
        ),
        ({'cleaning': {'min_part_pixels': 5000}}, {}, 'empty_mask'),
    ],
)
def test_masks_that_come_to_nothing_are_recorded(options, changes, reason):
    output = make_source(**options).annotate(make_evidence(activation(), **changes))
    assert output.annotations == []
    assert dropped(output) == [('disc', reason)]


def test_masks_of_one_class_that_show_the_same_are_duplicates():
    same = [activation('disc'), activation('disc'), activation('cube')]
    output = make_source().annotate(make_evidence(*same))
    assert sorted(ann['word'] for ann in output.annotations) == ['cube', 'disc']
    assert [ann['rank'] for ann in output.annotations] == [0, 1]
    assert dropped(output) == [('disc', 'duplicate')]
    everything = make_source(nms_iou=None).annotate(make_evidence(*same))
    assert len(everything.annotations) == 3


def test_crops_of_an_image_are_segmented_in_one_call(monkeypatch):
    calls = []
    plain = BoxSegmenter.segment

    def counted(self, tasks):
        calls.append([task.key for task in tasks])
        return plain(self, tasks)

    monkeypatch.setattr(BoxSegmenter, 'segment', counted)
    source = make_source(segmenter={'type': 'BoxSegmenter'})
    source.annotate(make_evidence(activation(), activation('cube'), activation()))
    assert calls == [[(5, 'disc', 0), (5, 'cube', 0), (5, 'disc', 1)]]


def test_an_image_without_phrases_gives_nothing():
    output = make_source().annotate(make_evidence())
    assert output.annotations == []
    assert dropped(output) == [('', 'no_known_word')]


def test_presets():
    default, compat = GradCamSource(['a']), GradCamSource(['a'], 'compat')
    assert isinstance(default.segmenter, ClusteringSegmenter)
    assert isinstance(compat.segmenter, CompatClusteringSegmenter)
    assert (default.min_box_conf, default.nms_iou) == (0.3, 0.7)
    assert (compat.min_box_conf, compat.nms_iou) == (None, None)
    assert (compat.chooser.borders, compat.chooser.upsample) == ('skip', 'nearest')
    changed = GradCamSource(['a'], 'compat', {'metric': 'soft'}, min_box_conf=0.5)
    assert (changed.chooser.metric, changed.chooser.borders) == ('soft', 'skip')
    assert changed.min_box_conf == 0.5
    assert GradCamSource(['a'], min_box_conf=None).min_box_conf is None


def test_compat_keeps_what_the_default_drops():
    weak = activation('disc', disc(2, center=(3, 3)))
    options = {'preset': 'compat', 'segmenter': {'type': 'BoxSegmenter'}}
    (ann,) = make_source(**options).annotate(make_evidence(weak)).annotations
    assert ann['score'] == 0
    assert 48 * 48 < ann['area'] <= 52 * 52  # drawn again, which makes edges grow


def test_parameters_tell_sources_apart():
    source = make_source()
    copy = pickle.loads(pickle.dumps(source))
    assert json.loads(json.dumps(source.parameters)) == copy.parameters
    for options in (
        {'vocabulary': ['disc', 'cube']},
        {'chooser': {'metric': 'iou'}},
        {'cleaning': {'max_parts': 1}},
        {'segmenter': {'type': 'BoxSegmenter'}},
        {'min_box_conf': 0.4},
        {'nms_iou': None},
    ):
        assert make_source(**options).parameters != source.parameters, options


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'preset': 'x'}, 'preset is one of default, compat'),
        ({'chooser': {'metrik': 1}}, 'chooser takes metric, .*, not metrik'),
        ({'cleaning': {'x': 1}}, 'cleaning takes'),
        ({'min_box_conf': 2}, 'min_box_conf is in'),
        ({'min_box_conf': 'compat'}, "None or 'preset', not 'compat'"),
        ({'nms_iou': -1}, 'nms_iou is in'),
        ({'vocabulary': []}, 'at least one name'),
    ],
)
def test_mistakes_in_the_parameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make_source(**options)


def test_evidence_that_does_not_fit_is_refused():
    source = make_source()
    with pytest.raises(ValueError, match='blob'):
        source.annotate(make_evidence(activation('blob')))
    with pytest.raises(
        ValueError, match=r'image_id 5: the image is of \[72, 72\], the'
    ):
        source.annotate(make_evidence(activation(), ori_shape=(9, 9)))
    other = Proposals([[0, 0, 9, 9]], [1], (20, 20))
    with pytest.raises(ValueError, match=r'its proposals are of \[20, 20\]'):
        source.annotate(make_evidence(activation(), proposals=other))


def test_comparison_with_labels(make_rle):
    truth = mask_api.encode(np.asfortranarray(disc(18), np.uint8))
    (ann,) = (
        make_source().annotate(make_evidence(activation(), gt_rles=[truth])).annotations
    )
    assert ann['gt_iou'] > 0.95


def test_annotations_may_have_categories_and_keys_of_their_own(make_rle):
    rles = [make_rle(0, 0, 2, 2), make_rle(0, 0, 0, 0), make_rle(4, 4, 3, 3)]
    anns = build_annotations(
        Evidence(1, (12, 16)),
        rles,
        [3.0, 2.0, 1.0],
        'x',
        [4, 5, 6],
        extras=[{'word': 'a'}, {'word': 'b'}, {'word': 'c'}],
    )
    assert [(a['category_id'], a['word'], a['rank']) for a in anns] == [
        (4, 'a', 0),
        (6, 'c', 1),
    ]


def test_other_sources_write_what_they_wrote(make_rle):
    (ann,) = build_annotations(Evidence(1, (12, 16)), [make_rle(0, 0, 2, 2)], [1], 'x')
    assert list(ann) == [
        'image_id', 'category_id', 'segmentation', 'bbox', 'area', 'iscrowd', 'score',
        'rank', 'gt_iou', 'source', 'pseudo',
    ]  # fmt: skip
    assert DroppedPhrase('a', 'b') == DroppedPhrase('a', 'b')


def test_segmenters_that_fill_boxes_may_do_so():
    output = make_source(segmenter={'type': 'BoxSegmenter'}).annotate(
        make_evidence(activation())
    )
    assert len(output.annotations) == 1
    assert output.annotations[0]['area'] == 48 * 48
