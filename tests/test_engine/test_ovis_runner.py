import pytest
import torch
from mmengine.registry import RUNNERS
from torch import nn

from mmdet_ovis.apis.running import build_runner, load_config
from mmdet_ovis.utils.checkpoint import CheckpointError


@pytest.fixture
def runner(root, openshapes, tmp_path):
    path = root / 'configs' / 'openshapes' / 'class_agn_mask_rcnn.py'
    cfg = load_config(path)
    ann_file = str(openshapes / 'annotations' / 'instances_val.json')
    cfg.test_dataloader.dataset.data_root = str(openshapes)
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_evaluator.ann_file = ann_file
    return build_runner(cfg, path, str(tmp_path / 'work'), 'none')


def test_registered_where_configs_look_for_it(runner):
    assert RUNNERS.get('OVISRunner') is type(runner)


def test_a_checkpoint_of_another_model_is_not_tested(runner, tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'state_dict': nn.Linear(2, 2).state_dict()}, path)
    runner._load_from = str(path)
    with pytest.raises(CheckpointError, match=r'other\.pth is a checkpoint of another'):
        runner.test()


def test_a_checkpoint_of_a_distributed_model_is_tested(runner, tmp_path):
    """Its keys have a prefix."""
    path = tmp_path / 'distributed.pth'
    state = runner.model.state_dict()
    torch.save({f'module.{k}': torch.zeros_like(v) for k, v in state.items()}, path)
    runner.load_checkpoint(str(path))
    assert not any(value.any() for value in runner.model.state_dict().values())


def test_work_folder_is_named_after_the_config(root, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path = root / 'configs' / 'openshapes' / 'pa_train.py'
    runner = build_runner(load_config(path), path, None, 'none')
    assert (tmp_path / 'work_dirs' / 'pa_train').samefile(runner.work_dir)


def test_fine_tuning_may_be_resumed_from_its_first_call_on(root, openshapes, tmp_path):
    """The first call starts from ``load_from``, the next from what that has saved."""
    path = root / 'configs' / 'openshapes' / 'pa_train.py'
    work = tmp_path / 'work'

    def start(load_from=None):
        cfg = load_config(path)
        cfg.model.backbone.init_cfg = None
        cfg.load_from = load_from
        cfg.param_scheduler = None
        cfg.train_dataloader.dataset.data_root = str(openshapes)
        cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
        runner = build_runner(cfg, path, str(work), 'none', resume='auto')
        runner.load_or_resume()
        return runner

    before = start()
    value = next(before.model.parameters())
    value.data.fill_(0.5)
    torch.save({'state_dict': before.model.state_dict()}, tmp_path / 'before.pth')
    first = start(str(tmp_path / 'before.pth'))
    assert (next(first.model.parameters()) == 0.5).all()

    next(first.model.parameters()).data.fill_(0.25)
    first.optim_wrapper = first.build_optim_wrapper(first.optim_wrapper)
    first.save_checkpoint(str(work), 'epoch_1.pth', meta=dict(epoch=0, iter=0))
    (work / 'last_checkpoint').write_text(str(work / 'epoch_1.pth'))
    second = start(str(tmp_path / 'before.pth'))
    assert (next(second.model.parameters()) == 0.25).all()
