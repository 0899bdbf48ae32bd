import pytest
from mmdet.registry import TASK_UTILS
from mmengine.config import Config

from mmdet_ovis.apis.running import (
    building,
    enable_amp,
    load_config,
    set_evaluation,
    set_resume,
)


@pytest.fixture
def cfg(root):
    return load_config(root / 'configs' / 'openshapes' / 'class_agn_mask_rcnn.py')


def test_options_override_the_file(root):
    path = root / 'configs' / 'openshapes' / 'pa_extract.py'
    cfg = load_config(path, {'pa_to_masks.use_globalization': 0})
    assert cfg.pa_to_masks.use_globalization == 0
    assert cfg.pa_to_masks.nms == 0.2


def test_missing_and_broken_configs_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        load_config(tmp_path / 'nowhere.py')
    broken = tmp_path / 'broken.py'
    broken.write_text('model = dict(')
    with pytest.raises(ValueError, match=r'broken\.py is not a valid config'):
        load_config(broken)


def test_evaluation_options_reach_metric_and_dataset(cfg):
    set_evaluation(cfg, ['bbox', 'segm'], 'openshapes_seen', 'out/detections')
    assert cfg.test_evaluator.metric == ['bbox', 'segm']
    assert cfg.test_evaluator.eval_class == 'openshapes_seen'
    assert cfg.test_dataloader.dataset.eval_class == 'openshapes_seen'
    assert cfg.test_evaluator.outfile_prefix == 'out/detections'


def test_unknown_metrics_are_named(cfg):
    with pytest.raises(ValueError, match='bbox, segm, not mIoU'):
        set_evaluation(cfg, ['mIoU'])


def test_options_without_meaning_are_refused(root):
    cfg = load_config(root / 'configs' / 'openshapes' / 'pa_train.py')
    with pytest.raises(ValueError, match='PairwiseAffinityMetric'):
        set_evaluation(cfg, ['segm'])
    with pytest.raises(ValueError, match='PairwiseAffinityMetric'):
        set_evaluation(cfg, eval_class='voc')


def test_resume_from_a_checkpoint():
    cfg = Config(dict(resume=False, load_from='before.pth'))
    set_resume(cfg, None)
    assert not cfg.resume
    assert cfg.load_from == 'before.pth'
    set_resume(cfg, 'some.pth')
    assert cfg.resume
    assert cfg.load_from == 'some.pth'


@pytest.mark.parametrize('load_from', [None, 'before.pth'])
def test_resume_without_a_value(tmp_path, load_from):
    """What a training starts from is loaded by its first call, not by later ones."""
    cfg = Config(dict(resume=False, load_from=load_from, work_dir=str(tmp_path)))
    set_resume(cfg, 'auto')
    assert not cfg.resume
    assert cfg.load_from == load_from
    (tmp_path / 'last_checkpoint').touch()  # whole or not, the runner sees to that
    set_resume(cfg, 'auto')
    assert cfg.resume
    assert cfg.load_from is None


def test_amp(cfg):
    enable_amp(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(type='GridProposals', topk=3), "unexpected keyword argument 'topk'"),
        (dict(type='Nobody'), 'Nobody is not in the mmdet::task util registry'),
        (dict(stride=1), 'must contain the key "type"'),
        ('grid', 'cfg should be a dict'),
        (None, 'cfg should be a dict'),
        (dict(type='GridProposals', top_k='three'), 'not supported between'),
    ],
)
def test_what_cannot_be_built_is_named(settings, message):
    with (
        pytest.raises(ValueError, match=r'^grid of a\.py cannot be built: ') as caught,
        building('grid of a.py'),
    ):
        TASK_UTILS.build(settings)
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_other_errors_of_building_pass():
    for error in (ValueError('stride is at least 1'), FileNotFoundError('no such')):
        with pytest.raises(type(error)) as caught, building('grid'):
            raise error
        assert caught.value is error


def test_errors_of_building_without_words():
    for error, reason in (
        (AssertionError(), 'AssertionError without a reason'),
        (KeyError('size'), "'size' is missing"),
    ):
        with (
            pytest.raises(ValueError, match=f'grid cannot be built: {reason}'),
            building('grid'),
        ):
            raise error
