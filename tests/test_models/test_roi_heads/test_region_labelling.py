"""How a teacher turns the words of captions into instances."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from cmpl_case import HEIGHT, WIDTH, images, make_model
from mmdet.structures.bbox import bbox2roi
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from mmdet_ovis.models.roi_heads.region_labelling import (
    Alignment,
    ImageWords,
    RegionLabellingMixin,
)

BOXES = torch.tensor(
    [[4.0, 4, 40, 40], [60, 4, 100, 30], [8, 50, 50, 90], [70, 45, 120, 90]]
)
NOBODY = torch.zeros(0, 4)
META = dict(
    img_shape=(HEIGHT, WIDTH), ori_shape=(HEIGHT, WIDTH), scale_factor=(1.0, 1.0)
)


def candidates(boxes, scores=None):
    """Proposals of equal objectness, if nothing else is said."""
    scores = [0.5] * len(boxes) if scores is None else scores
    return InstanceData(bboxes=boxes, scores=torch.tensor(scores).float())


@pytest.fixture(scope='module')
def shared_teacher():
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = make_model()
    head = model.teacher.roi_head
    # Boxes that move when they are refined, and masks that are neither full nor empty.
    head.bbox_head.fc_reg.weight.data.normal_(std=0.3)
    head.mask_head.conv_logits.weight.data.normal_(std=3)
    return model


@pytest.fixture
def teacher(shared_teacher, monkeypatch):
    """The head; its settings are those of before after the test."""
    head = shared_teacher.teacher.roi_head
    monkeypatch.setattr(head, 'alignment', head.alignment)
    return head


@pytest.fixture(scope='module')
def maps(shared_teacher):
    with torch.no_grad():
        return shared_teacher.extract_feat(images(1))


def project(head, maps, boxes):
    """Embeddings of boxes, and boxes refined."""
    rois = bbox2roi([boxes])
    embeddings, deltas = head.bbox_head.embed(
        head.bbox_roi_extractor(maps[: head.bbox_roi_extractor.num_inputs], rois)
    )
    refined = head.bbox_head.bbox_coder.decode(boxes, deltas, max_shape=(HEIGHT, WIDTH))
    return embeddings.detach(), refined.detach()


def draw(head, maps, seen, drawn, meta=META, rescale=False):
    """Masks of what the head sees in some boxes, drawn in others."""
    rois = bbox2roi([seen])
    logits = head.mask_head(
        head.mask_roi_extractor(maps[: head.mask_roi_extractor.num_inputs], rois)
    )
    result = InstanceData(bboxes=drawn.clone(), labels=torch.zeros(len(drawn)).long())
    (found,) = head.mask_head.predict_by_feat(
        (logits.detach(),), [result], [meta], head.test_cfg, rescale
    )
    return found.masks


def label(head, maps, vectors, labelled=NOBODY, labels=None, meta=META, **options):
    """Instances of one image whose words have these vectors."""
    labels = tuple(range(len(vectors))) if labels is None else labels
    words = ImageWords(tuple(f'word {i}' for i in range(len(vectors))), labels)
    (found,) = head.label_regions(
        maps, [candidates(BOXES)], [words], [vectors], [meta], [labelled],
        **options,
    )  # fmt: skip
    return found


def change(head, **settings):
    head.alignment = replace(head.alignment, **settings)


def test_a_word_becomes_the_refined_region_that_looks_most_like_it(teacher, maps):
    embeddings, refined = project(teacher, maps, BOXES)
    assert (refined - BOXES).abs().max() > 1
    found = label(teacher, maps, 3 * embeddings[[2, 0]], labels=(4, 1))
    torch.testing.assert_close(found.bboxes, refined[[2, 0]])
    assert found.labels.tolist() == [4, 1]
    assert found.word_inds.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.731059] * 2, abs=1e-4)
    assert found.masks.dtype == torch.bool
    assert torch.equal(found.masks, draw(teacher, maps, found.bboxes, found.bboxes))
    area = found.masks.flatten(1).sum(1)
    assert (area > 0).all()
    assert not found.bboxes.requires_grad


def test_regions_of_great_norm_are_favoured_where_that_is_asked_for(teacher, maps):
    embeddings, refined = project(teacher, maps, BOXES)
    change(teacher, normalize_visual=False)
    word = embeddings[:1]
    found = label(teacher, maps, word)
    scores = embeddings @ word[0] / word.norm()
    torch.testing.assert_close(found.bboxes, refined[scores.argmax()][None])
    assert found.scores.item() == pytest.approx(scores.max().sigmoid().item(), rel=1e-5)


def test_two_words_share_a_region_in_the_published_code_only(teacher, maps):
    embeddings, refined = project(teacher, maps, BOXES)
    words = embeddings[[2, 2]]
    found = label(teacher, maps, words)
    torch.testing.assert_close(found.bboxes[0], refined[2])
    assert not torch.equal(found.bboxes[1], found.bboxes[0])
    change(teacher, choice='argmax')
    found = label(teacher, maps, words)
    torch.testing.assert_close(found.bboxes, refined[[2, 2]])


@pytest.mark.parametrize('choice', ['greedy', 'argmax', 'hungarian'])
def test_cmpl_case_20_regions_of_annotated_objects_are_not_for_words(
    teacher, maps, choice
):
    embeddings, refined = project(teacher, maps, BOXES)
    person = BOXES[2:3] + 2
    change(teacher, choice=choice)
    found = label(teacher, maps, embeddings[[2]], person)
    assert not torch.equal(found.bboxes[0], refined[2])
    change(teacher, labelled_iou_thr=None)
    found = label(teacher, maps, embeddings[[2]], person)
    torch.testing.assert_close(found.bboxes[0], refined[2])


def test_only_the_best_proposals_are_compared(teacher, maps):
    embeddings, refined = project(teacher, maps, BOXES)
    change(teacher, max_candidates=2)
    found = label(teacher, maps, embeddings[[3]])
    assert any(torch.allclose(found.bboxes[0], box) for box in refined[:2])


def test_words_that_no_region_looks_like(teacher, maps):
    embeddings, refined = project(teacher, maps, BOXES)
    change(teacher, min_similarity=0.999)
    found = label(teacher, maps, torch.stack([-embeddings[0], embeddings[3]]))
    assert found.word_inds.tolist() == [1]
    torch.testing.assert_close(found.bboxes, refined[[3]])
    assert found.masks.shape == (1, HEIGHT, WIDTH)


def test_boxes_are_refined_as_often_as_asked(teacher, maps):
    embeddings, once = project(teacher, maps, BOXES)
    _, twice = project(teacher, maps, once)
    change(teacher, refinements=2)
    found = label(teacher, maps, embeddings[[1]])
    torch.testing.assert_close(found.bboxes, twice[[1]])
    expected = draw(teacher, maps, found.bboxes, found.bboxes)
    assert torch.equal(found.masks, expected)


def test_the_published_code_draws_masks_in_other_boxes_than_it_sees(teacher, maps):
    embeddings, once = project(teacher, maps, BOXES)
    _, twice = project(teacher, maps, once)
    same = label(teacher, maps, embeddings[[1]])
    change(teacher, mask_box='refined')
    found = label(teacher, maps, embeddings[[1]])
    assert torch.equal(found.bboxes, same.bboxes)
    assert torch.equal(found.masks, draw(teacher, maps, twice[[1]], once[[1]]))
    assert not torch.equal(found.masks, same.masks)


def test_at_the_size_of_the_file(teacher, maps):
    embeddings, refined = project(teacher, maps, BOXES)
    ori_shape = (2 * HEIGHT, 4 * WIDTH)
    meta = META | dict(ori_shape=ori_shape, scale_factor=(0.25, 0.5))
    found = label(teacher, maps, embeddings[[1]], meta=meta, rescale=True)
    expected = refined[[1]] * torch.tensor([4.0, 2, 4, 2])
    torch.testing.assert_close(found.bboxes, expected)
    assert found.masks.shape == (1, *ori_shape)
    small = label(teacher, maps, embeddings[[1]], meta=meta)
    assert small.masks.shape == (1, HEIGHT, WIDTH)
    share = found.masks.float().mean() / small.masks.float().mean()
    assert share.item() == pytest.approx(1, abs=0.1)


def test_instances_without_a_pixel_are_left_out(teacher, maps, monkeypatch):
    embeddings, _ = project(teacher, maps, BOXES)
    bias = teacher.mask_head.conv_logits.bias
    monkeypatch.setattr(bias, 'data', torch.full_like(bias, -1e6))
    found = label(teacher, maps, embeddings[[1, 2]])
    assert len(found) == 0
    assert found.masks.shape == (0, HEIGHT, WIDTH)


def test_each_image_has_its_words(shared_teacher, teacher):
    maps = shared_teacher.extract_feat(images(3))
    one = tuple(level[2:] for level in maps)
    embeddings, _ = project(teacher, one, BOXES)
    nothing = ImageWords((), ())
    words = ImageWords(('a', 'b'), (3, 0))
    found = teacher.label_regions(
        maps,
        [candidates(boxes) for boxes in (BOXES, NOBODY, BOXES)],
        [nothing, words, words],
        [embeddings[:0], embeddings[:2], embeddings[[3, 1]]],
        [META] * 3,
        [NOBODY] * 3,
    )
    assert [len(of_image) for of_image in found] == [0, 0, 2]
    alone = label(teacher, one, embeddings[[3, 1]], labels=(3, 0))
    torch.testing.assert_close(found[2].bboxes, alone.bboxes)
    assert torch.equal(found[2].labels, alone.labels)
    assert (found[2].masks == alone.masks).float().mean() > 0.999
    assert found[1].masks.dtype == torch.bool


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(choice='best'), "choice is one of .*, not 'best'"),
        (dict(mask_box='both'), "mask_box is one of same, refined, not 'both'"),
        (dict(max_candidates=0), 'max_candidates and refinements are positive'),
        (dict(refinements=0), 'max_candidates and refinements are positive'),
        (dict(max_overlap=0), r'max_overlap is in \(0, 1\], not 0'),
        (dict(labelled_iou_thr=1.5), r'labelled_iou_thr is in \(0, 1\] or None, not'),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Alignment(**settings)


def test_of_alike_regions_the_one_that_looks_like_an_object():
    how = Alignment(objectness_weight=0.1, labelled_iou_thr=None)
    head = RegionLabellingMixin()
    head.alignment = how
    embeddings = torch.tensor([[1.0, 0.0], [0.99, 0.1], [0.0, 1.0], [-1.0, 0.0]])
    words, vectors = ImageWords(('dog',), (2,)), torch.tensor([[1.0, 0.0]])
    chosen = {}
    for weight in (0.0, 0.1):
        head.alignment = replace(how, objectness_weight=weight)
        found = head._choose(
            candidates(BOXES, [0.1, 0.9, 1.0, 1.0]),
            embeddings,
            BOXES,
            words,
            vectors,
            NOBODY,
        )
        chosen[weight] = BOXES.eq(found.bboxes).all(1).nonzero().item()
        assert found.labels.tolist() == [2]
    assert chosen == {0.0: 0, 0.1: 1}
    # The score is that of the similarity alone.
    assert found.scores.item() == pytest.approx(
        torch.tensor(0.99 / 0.9950377).sigmoid().item()
    )
