"""Extraction where a teacher looks for the words of captions."""

from __future__ import annotations

import copy
import json
import os
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
from cmpl_case import BASE, CAPTION
from mmdet.registry import DATASETS, MODELS
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from ov_case import write_bank
from pycocotools import mask as mask_api
from teacher_case import (
    CHUNK_SIZE,
    META_KEYS,
    PEOPLE,
    WORDS,
    make_config,
    make_state,
    plain_state,
    write_checkpoint,
    write_dataset,
    write_words,
)

from mmdet_ovis.apis.extraction import (
    AffinityNetwork,
    TeacherNetwork,
    extract_pseudo_labels,
)
from mmdet_ovis.apis.extraction.kills import kill_extractions
from mmdet_ovis.engine.vocabulary import set_vocabulary
from mmdet_ovis.language.embedding_bank import TextEmbeddingBank
from mmdet_ovis.models.roi_heads import region_labelling
from mmdet_ovis.pseudo_labels import SignatureMismatchError
from mmdet_ovis.pseudo_labels.quarantine import TooManyBrokenError
from mmdet_ovis.pseudo_labels.shards import Shard
from mmdet_ovis.structures.pseudo_annotation import check_pseudo_annotation
from mmdet_ovis.utils.checkpoint import CheckpointError

TOOL = 'tools/cmpl/extract_pseudo_masks.py'


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
    """Images, words and weights, which no test changes."""
    folder = tmp_path_factory.mktemp('teacher')
    write_dataset(folder / 'data')
    return folder / 'data', make_state(make_config(folder / 'data'))


@pytest.fixture
def dataset(shared):
    return shared[0]


@pytest.fixture
def state(shared):
    return dict(shared[1])


@pytest.fixture
def config(dataset):
    return make_config(dataset)


@pytest.fixture
def checkpoint(state, tmp_path):
    return write_checkpoint(tmp_path / 'teacher.pth', plain_state(state))


@pytest.fixture
def extract(config, checkpoint, out):
    """In the place of the fixture for affinities."""

    def run(**options):
        options = {
            'config': config,
            'checkpoint': checkpoint,
            'out': out,
            'network': TeacherNetwork,
            'workers': 0,
            'device': 'cpu',
            'chunk_size': CHUNK_SIZE,
            **options,
        }
        return extract_pseudo_labels(**options)

    return run


def contents(folder):
    """Files by name; the summary holds times, which differ."""
    return {
        path.name: None if 'summary' in path.name else path.read_bytes()
        for path in folder.iterdir()
    }


@pytest.fixture
def expected(extract, tmp_path):
    """All that an undisturbed run leaves, by name."""
    extract(out=tmp_path / 'undisturbed' / 'masks.json')
    return contents(tmp_path / 'undisturbed')


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_image_has_a_list_of_what_its_words_name(extract, out):
    summary = extract()
    lists = json.loads(out.read_text())
    assert len(lists) == len(WORDS)
    assert sum(map(len, lists)) == summary.n_masks > 5
    for image_id, anns in zip(WORDS, lists, strict=True):
        assert [ann['rank'] for ann in anns] == list(range(len(anns)))
        for ann in anns:
            check_pseudo_annotation(ann, str(image_id))
            assert ann['image_id'] == image_id
            assert ann['source'] == 'teacher'
            assert WORDS[image_id][ann['phrase']] == ann['word']
            assert CAPTION[ann['category_id'] - 1] == ann['word']
            assert ann['word'] != 'person'  # people are labelled
    assert set(summary.seconds) == {'reading', 'network', 'encoding', 'total'}


def test_every_word_has_a_mask_or_a_reason(extract, out):
    summary = extract()
    told = {
        image_id: [ann['word'] for ann in anns]
        for image_id, anns in zip(WORDS, json.loads(out.read_text()), strict=True)
    }
    reasons = {}
    for entry in lines(out.with_name('masks.json.dropped.jsonl')):
        told[entry['image_id']].append(entry['name'])
        reasons.setdefault(entry['reason'], []).append(entry['image_id'])
    for image_id, words in WORDS.items():
        assert sorted(told[image_id]) == (sorted(words.values()) or [''])
    assert reasons['labelled_class'] == [100, 95]
    assert reasons['no_known_word'] == [98]
    assert reasons['same_class'] == [94]
    assert summary.dropped == {reason: len(ids) for reason, ids in reasons.items()}


def test_words_without_a_vector_are_named_before_any_image(
    extract, config, dataset, out, tmp_path
):
    """With ``align_with='word'`` a word looks for its region itself."""
    bank = write_bank(tmp_path / 'names.npz', dict.fromkeys((*BASE, *CAPTION, 'man')))
    config.model.semi_train_cfg = dict(align_with='word')
    config.model.detector.roi_head.bbox_head.embeddings = str(bank)
    with pytest.raises(
        ValueError, match=r"no vector for 'kitty', 'puppy'; .* --append --words FILE"
    ):
        extract()
    config.model.detector.roi_head.bbox_head.embeddings = str(dataset / 'bank.npz')
    assert extract(overwrite=True).n_masks > 5
    assert out.is_file()


def test_masks_are_those_of_training(extract, config, state, out):
    """What the model says by itself, with the vocabularies that training installs."""
    extract()
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(copy.deepcopy(config.test_dataloader.dataset))
        model = MODELS.build(config.model).eval()
    model.load_state_dict(state)
    set_vocabulary(model, dataset.metainfo['classes'])
    model.set_caption_vocabulary(CAPTION)
    for i, anns in enumerate(json.loads(out.read_text())):
        data = dataset.pipeline(dataset.get_data_info(i))
        data = model.data_preprocessor(pseudo_collate([data]))
        with torch.no_grad():
            (found,) = model.label(data['inputs'], data['data_samples'])
        order = np.argsort(-found.scores.numpy(), kind='stable')
        assert len(order) == len(anns)
        for ann, place in zip(anns, order, strict=True):
            mask = mask_api.decode(ann['segmentation']).astype(bool)
            assert (mask == found.masks[place].numpy()).all()
            assert ann['score'] == pytest.approx(float(found.scores[place]), abs=1e-6)
            box = found.bboxes[place].tolist()
            assert ann['proposal_box'] == pytest.approx(box, abs=0.01)


def test_what_is_known_is_compared_with(extract, out, dataset):
    extract()
    sizes = {
        image['id']: (image['height'], image['width'])
        for image in json.loads((dataset / 'gt.json').read_text())['images']
    }
    for anns in json.loads(out.read_text()):
        for ann in anns:
            height, width = ann['segmentation']['size']
            assert (height, width) == sizes[ann['image_id']]
            x, y, w, h = (s * height // 96 for s in PEOPLE[ann['image_id']])
            person = np.zeros((height, width), bool)
            person[y : y + h, x : x + w] = True
            mask = mask_api.decode(ann['segmentation']).astype(bool)
            iou = (mask & person).sum() / (mask | person).sum()
            assert ann['gt_iou'] == pytest.approx(iou, abs=0.05)
    summary = extract(use_gt_masks=False, overwrite=True)
    assert summary.mean_gt_iou == 0


def test_options_reach_the_source(extract, config, out, tmp_path):
    extract()
    scores = [ann['score'] for anns in json.loads(out.read_text()) for ann in anns]
    few = tmp_path / 'few.json'
    extract(out=few, topk=1, min_score=sorted(scores)[2], min_area=2)
    kept = json.loads(few.read_text())
    assert all(len(anns) <= 1 for anns in kept)
    assert all(ann['score'] >= sorted(scores)[2] for anns in kept for ann in anns)
    config.extraction = dict(type='TeacherSource', topk=1)
    extract(out=tmp_path / 'config.json')
    lists = json.loads((tmp_path / 'config.json').read_text())
    assert max(map(len, lists)) == 1


def test_a_teacher_and_its_student_are_read_alike(extract, state, tmp_path, out):
    """The student may have learnt; the masks are the teacher's."""
    extract()
    key = 'student.roi_head.bbox_head.fc_emb.weight'
    state[key] = state[key] + 1
    student = write_checkpoint(tmp_path / 'student.pth', state)
    extract(checkpoint=student, out=tmp_path / 'student.json')
    assert (tmp_path / 'student.json').read_bytes() == out.read_bytes()


def test_images_that_nobody_annotated_and_nobody_measured(
    extract, config, dataset, tmp_path, out
):
    """Captions alone: no class is labelled, so all words are looked for."""
    lines = [
        json.dumps(dict(image=f'{i}.png', image_id=image_id, caption='Something.'))
        for i, image_id in enumerate(WORDS)
    ]
    (tmp_path / 'captions.jsonl').write_text('\n'.join(lines))
    captions = dict(
        type='ConceptualCaptionsDataset',
        data_root=str(tmp_path),
        ann_file='captions.jsonl',
        data_prefix=dict(img=str(dataset)),
        words_file=str(dataset / 'words.json'),
        class_file=str(dataset / 'gt.json'),
        split='base',
        pipeline=config.test_dataloader.dataset.pipeline,
    )
    config.test_dataloader.dataset = captions
    summary = extract()
    assert summary.n_images == len(WORDS) - 1  # one has no word
    assert 'labelled_class' not in summary.dropped
    anns = [ann for anns in json.loads(out.read_text()) for ann in anns]
    assert 'person' in {ann['word'] for ann in anns}
    assert {ann['gt_iou'] for ann in anns} == {0}


# ------------------------------------------------------------ interrupted and shared


def test_any_number_of_workers_and_shards_gives_the_same_bytes(extract, out, expected):
    assert not extract(shard=Shard(1, 2)).is_complete
    assert not out.exists()
    assert extract(shard=Shard(0, 2), workers=1).is_complete
    assert contents(out.parent) == expected
    assert {'masks.json', 'masks.json.dropped.jsonl'} < set(expected)


def test_a_crash_costs_one_chunk(extract, out, expected, monkeypatch):
    looks, look = [], TeacherNetwork.look

    def crash(network, sample):
        looks.append(sample.image_id)
        if len(looks) == 5:
            raise RuntimeError('power failure')
        return look(network, sample)

    monkeypatch.setattr(TeacherNetwork, 'look', crash)
    with pytest.raises(RuntimeError, match='power failure'):
        extract()
    assert not out.exists()
    assert extract().n_resumed == CHUNK_SIZE
    assert looks[5:] == list(WORDS)[CHUNK_SIZE:]
    assert contents(out.parent) == expected


def test_killed_an_extraction_ends_as_if_nothing_had_been(config, checkpoint, tmp_path):
    config_file = tmp_path / 'config.py'
    config.dump(config_file)
    extraction = {
        'config': config_file,
        'checkpoint': checkpoint,
        'network': TeacherNetwork,
        'device': 'cpu',
        'chunk_size': 2,
    }
    report = kill_extractions(extraction, tmp_path / 'kills', kills=2, workers=[0])
    assert report.identical
    assert report.outputs >= 1


# ------------------------------------------------------------ other runs


def test_other_words_and_vectors_are_another_run(
    extract, config, dataset, tmp_path, out
):
    words, bank = tmp_path / 'words.json', tmp_path / 'bank.npz'
    write_words(words, WORDS)
    bank.write_bytes((dataset / 'bank.npz').read_bytes())
    config.test_dataloader.dataset.words_file = str(words)
    config.model.detector.roi_head.bbox_head.embeddings = str(bank)
    extract()
    write_words(words, {**WORDS, 98: {'dog': 'dog'}})
    with pytest.raises(SignatureMismatchError, match='words_file_sha256'):
        extract()
    write_words(words, WORDS)
    assert extract().n_resumed == len(WORDS)
    loaded = TextEmbeddingBank.load(bank)
    vectors = -loaded.embeddings
    TextEmbeddingBank(loaded.names, vectors, normalization='both').save(bank)
    with pytest.raises(SignatureMismatchError, match='text_embeddings_sha256'):
        extract()
    with pytest.raises(SignatureMismatchError, match='min_area: 1 there, 5 here'):
        extract(min_area=5)


# ------------------------------------------------------------ mistakes


def test_checkpoints_of_other_models_are_refused(extract, state, tmp_path):
    plain = plain_state(state)
    del plain['roi_head.bbox_head.fc_emb.bias']
    broken = write_checkpoint(tmp_path / 'broken.pth', plain)
    with pytest.raises(CheckpointError, match=r'2 missing \(student\.roi_head\.bbox_h'):
        extract(checkpoint=broken)
    other = write_checkpoint(tmp_path / 'other.pth', {'weight': torch.zeros(1)})
    with pytest.raises(CheckpointError, match='unexpected'):
        extract(checkpoint=other)
    del state['teacher.roi_head.mask_head.conv_noise.bias']
    half = write_checkpoint(tmp_path / 'half.pth', state)
    with pytest.raises(CheckpointError, match='1 missing'):
        extract(checkpoint=half)


def test_diverged_weights_are_refused(extract, state, tmp_path):
    state['teacher.roi_head.bbox_head.fc_emb.weight'] = torch.full((16, 32), torch.nan)
    path = write_checkpoint(tmp_path / 'nan.pth', state)
    with pytest.raises(ValueError, match=r'nan\.pth: teacher\.roi.* diverged training'):
        extract(checkpoint=path)


def test_an_image_that_the_teacher_cannot_compare_is_listed(
    extract, out, expected, monkeypatch
):
    compare, compared = region_labelling.word_similarities, []

    def compare_one_badly(*args):
        similarities = compare(*args)
        compared.append(similarities.shape)
        if len(compared) == 2:
            similarities[-1, 3] = torch.nan
        return similarities

    monkeypatch.setattr(region_labelling, 'word_similarities', compare_one_badly)
    (broken,) = extract().quarantine
    assert len(compared) == len(WORDS)
    assert broken.image_id == 99
    assert 'what the teacher predicts is NaN or infinite' in broken.reason
    lists, whole = json.loads(out.read_text()), json.loads(expected['masks.json'])
    assert whole[1] != []
    assert lists == [whole[0], [], *whole[2:]]


def test_features_that_overflow_are_no_images_without_objects(
    extract, state, tmp_path, out
):
    key = 'student.backbone.conv1.weight'
    state[key] = torch.full_like(state[key], 3e38)
    path = write_checkpoint(tmp_path / 'great.pth', state)
    with pytest.raises(TooManyBrokenError, match='teacher predicts is NaN or infinite'):
        extract(checkpoint=path)
    assert not out.exists()


def test_vectors_of_another_text_encoder_are_refused(extract, state, tmp_path):
    path = write_checkpoint(tmp_path / 'other.pth', state, model_id='bert')
    with pytest.raises(ValueError, match="text vectors of model_id 'bert'"):
        extract(checkpoint=path)


def test_names_without_a_vector_are_named(extract, config, tmp_path):
    words = dict(vocabulary=['dog', 'gnu'], words=[])
    words['words'] = [dict(image_id=100, word='gnu', name='gnu')]
    (tmp_path / 'gnu.json').write_text(json.dumps(words))
    config.test_dataloader.dataset.words_file = str(tmp_path / 'gnu.json')
    with pytest.raises(ValueError, match='gnu'):
        extract()


def test_configs_that_do_not_fit_are_refused(extract, config, tmp_path):
    dataset = config.test_dataloader.dataset
    with pytest.raises(ValueError, match='AffinitySource works on AffinityEvidence, '):
        extract(cfg_options={'extraction.type': 'AffinitySource'})
    dataset.pop('words_file')
    with pytest.raises(ValueError, match=r'has no words_file.*parse_captions\.py'):
        extract()
    dataset.words_file = 'none.json'
    with pytest.raises(FileNotFoundError, match=r'none\.json'):
        extract()
    dataset.words_file = 'words.json'
    config.model = config.model.detector
    with pytest.raises(ValueError, match='the config of a CrossModalPseudoLabel'):
        extract()


def test_a_teacher_predicts_no_affinity(extract, config):
    config.extraction = dict(type='TeacherSource')
    with pytest.raises(ValueError, match=r'such as configs/pairwise_affinity/pa_extr'):
        extract(network=AffinityNetwork)


def test_pipelines_that_hide_something_are_refused(extract, config):
    pipeline = config.test_dataloader.dataset.pipeline
    pipeline[-1].meta_keys = ('img_id', 'img_shape', 'ori_shape', 'scale_factor')
    with pytest.raises(ValueError, match='caption_words, caption_labels, has_gt; add'):
        extract()
    pipeline[-1].meta_keys = META_KEYS
    del pipeline[1]
    with pytest.raises(ValueError, match='with_bbox=True\\) before Resize to the pip'):
        extract()


@pytest.mark.parametrize('wrapped', [False, True])
@pytest.mark.parametrize('resize', ['Resize', 'RandomResize', 'mmdet.FixShapeResize'])
def test_boxes_of_another_scale_are_refused(extract, config, out, resize, wrapped):
    """Objects would be looked for where the file has them, not the resized image."""
    pipeline = config.test_dataloader.dataset.pipeline
    step = dict(type=resize, scale=(128, 96))
    pipeline[2] = dict(type='RandomApply', transforms=[step]) if wrapped else step
    pipeline[1], pipeline[2] = pipeline[2], pipeline[1]
    with pytest.raises(
        ValueError, match=rf'has LoadAnnotations behind {resize}, so .* move it before'
    ):
        extract()
    assert not out.parent.exists()


def test_mirrored_images_are_refused(extract, config):
    config.test_dataloader.dataset.pipeline.insert(3, dict(type='RandomFlip', prob=1.0))
    with pytest.raises(ValueError, match='has RandomFlip, which moves or cuts off'):
        extract()


# ------------------------------------------------------------ the tool


@pytest.fixture
def run_tool(config, checkpoint, out, monkeypatch, root, tmp_path):
    """In the place of the fixture for affinities; gives the exit code."""
    config.dump(tmp_path / 'config.py')
    command = [
        str(root / TOOL), str(tmp_path / 'config.py'), str(checkpoint), '--out',
        str(out), '--workers', '0', '--device', 'cpu', '--chunk-size', str(CHUNK_SIZE),
    ]  # fmt: skip

    def run(*more):
        monkeypatch.setattr(sys, 'argv', [*command, *more])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(command[0], run_name='__main__')
        return end.value.code

    return run


def test_the_tool_does_the_same(run_tool, out, expected):
    for index in ('1', '0'):
        assert run_tool('--num-shards', '2', '--shard-id', index) == 0
    assert contents(out.parent) == expected
    assert run_tool('--topk', '1') == 3
    assert run_tool('--topk', '0', '--overwrite') == 2
    assert run_tool('--min-score', '0.5', '--min-area', '3', '--overwrite') == 0


@pytest.mark.parametrize(
    ('setting', 'part', 'reason'),
    [
        ('extraction.min_conf=0.3', 'extraction', 'min_conf'),
        ('extraction.topk=all', 'extraction', "'str' and 'int'"),
        ('model.detector.roi_head.alignement.x=0.1', 'model', 'alignement'),
        ('test_dataloader.dataset.words=words.json', 'dataset', "'words'"),
    ],
)
def test_settings_that_nothing_takes_end_in_one_line(
    run_tool, capsys, setting, part, reason
):
    assert run_tool('--cfg-options', setting) == 2
    message = capsys.readouterr().err
    assert re.search(rf'error: {part} of .*config\.py cannot be built: ', message)
    assert reason in message
    assert 'Traceback' not in message


def test_processes_of_a_launcher_share_the_work(
    config, checkpoint, out, expected, root, tmp_path
):
    config.dump(tmp_path / 'config.py')
    command = [
        'bash', root / 'tools/dist_run.sh', '2', 'cmpl/extract_pseudo_masks.py',
        tmp_path / 'config.py', checkpoint, '--out', out, '--workers', '0',
        '--device', 'cpu', '--chunk-size', CHUNK_SIZE,
    ]  # fmt: skip
    result = subprocess.run(
        list(map(str, command)),
        env={**os.environ, 'PYTHON': sys.executable, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert contents(out.parent) == expected
