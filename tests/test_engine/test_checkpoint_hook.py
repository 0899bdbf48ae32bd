"""Training that is killed while it saves goes on as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import socket
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from torch import nn

from mmdet_ovis.engine import DurableCheckpointHook, OVISRunner
from mmdet_ovis.utils.checkpoint import (
    CheckpointError,
    DamagedCheckpointError,
    load_checkpoint,
)

FORK = multiprocessing.get_context('fork')
SCORES = (0.2, 0.1, 0.3)  # after each epoch; the first and the last are the best so far
BEST = dict(max_keep_ckpts=1, save_best='score', rule='greater')


class Tiny(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, inputs, mode):
        output = self.layer(torch.stack(list(inputs)))
        return {'loss': (output**2).mean()} if mode == 'loss' else [output]


class Score(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {'score': SCORES[MessageHub.get_current_instance().get_info('epoch')]}


def make_runner(work_dir, resume=False, load_from=None, launcher='none', **options):
    """A runner of one linear layer on eight random vectors, with our hook."""
    numbers = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    loader = dict(
        dataset=[dict(inputs=row) for row in numbers],
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=True),
    )
    return OVISRunner(
        model=Tiny(),
        work_dir=str(work_dir),
        train_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=len(SCORES), val_interval=1),
        val_dataloader=loader,
        val_cfg=dict(),
        val_evaluator=[Score()],
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
        param_scheduler=dict(type='MultiStepLR', milestones=[2]),
        default_hooks=dict(
            checkpoint=dict(type='DurableCheckpointHook', **dict(interval=1) | options)
        ),
        env_cfg=dict(dist_cfg=dict(backend='gloo')),
        randomness=dict(seed=3),
        resume=resume,
        load_from=None if load_from is None else str(load_from),
        launcher=launcher,
        experiment_name=f'{work_dir.name}_{os.getpid()}_{resume}',
        log_level='WARNING',
    )


def in_process(function, *args, **kwargs):
    """Run a function in a forked process and return the exit code."""

    def run():
        try:
            function(*args, **kwargs)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    process = FORK.Process(target=run)
    process.start()
    process.join()
    return process.exitcode


def train(work_dir, watch=None, **options):
    OVISRunner._log_env = lambda *_: None  # it calls compilers
    if watch is not None:
        watch_disk(watch)
    make_runner(work_dir, **options).train()


def watch_disk(step):
    """Call ``step(action, path)`` when a file is about to get its name or to go.

    The actions are ``'half'`` (only half of its bytes are written), ``'rename'`` (all
    of them) and ``'remove'``.
    """
    replace, remove = os.replace, os.remove

    def watched_replace(source, target):
        whole = Path(source).read_bytes()
        Path(source).write_bytes(whole[: len(whole) // 2])
        step('half', Path(target).name)
        Path(source).write_bytes(whole)
        step('rename', Path(target).name)
        replace(source, target)

    def watched_remove(path):
        if str(path).endswith('.pth'):
            step('remove', Path(path).name)
        remove(path)

    os.replace, os.remove = watched_replace, watched_remove


def kill_at(number):
    """Kill this process at its n-th step."""
    count = iter(range(number + 1))

    def step(action, name):
        if next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def files(folder, pattern='*.pth'):
    return sorted(path.name for path in folder.glob(pattern))


def weights(path):
    return load_checkpoint(path)['state_dict']


@pytest.fixture(scope='module', autouse=True)
def _imported():
    """Import here what every forked process would import again."""
    torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    assert Config(dict(a=1)).pretty_text


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    """The folder of a run that nobody disturbs, and its steps."""
    folder = tmp_path_factory.mktemp('undisturbed')
    log = folder / 'steps.txt'

    def step(action, name):
        with log.open('a') as file:
            file.write(f'{action} {name}\n')

    assert in_process(train, folder, watch=step, **BEST) == 0
    return folder, [tuple(line.split()) for line in log.read_text().splitlines()]


def test_nothing_is_deleted_before_the_new_is_in_its_place(undisturbed):
    folder, steps = undisturbed
    steps = [step for step in steps if step[0] != 'half']
    saved = [('rename', 'epoch_1.pth'), ('rename', 'last_checkpoint')]
    best = [('rename', 'best_score_epoch_1.pth'), *saved]
    assert steps[:5] == [*saved, *best]
    second = [('rename', 'epoch_2.pth'), ('rename', 'last_checkpoint')]
    assert steps[5:8] == [*second, ('remove', 'epoch_1.pth')]
    assert steps[-3:] == [
        ('rename', 'epoch_3.pth'),
        ('rename', 'last_checkpoint'),
        ('remove', 'best_score_epoch_1.pth'),
    ]
    assert files(folder) == ['best_score_epoch_3.pth', 'epoch_3.pth']
    assert (folder / 'last_checkpoint').read_text() == str(folder / 'epoch_3.pth')


def test_killed_at_any_step_it_goes_on(undisturbed, tmp_path):
    reference, steps = undisturbed
    expected = weights(reference / 'epoch_3.pth')
    for number, step in enumerate(steps):
        folder = tmp_path / str(number)
        code = in_process(train, folder, watch=kill_at(number), **BEST)
        assert code == -signal.SIGKILL, step
        pointer = folder / 'last_checkpoint'
        if pointer.exists():
            load_checkpoint(pointer.read_text())
        assert in_process(train, folder, resume=True, **BEST) == 0, step

        assert torch.equal(
            weights(folder / 'epoch_3.pth')['layer.weight'], expected['layer.weight']
        ), step
        assert files(folder, 'epoch_*.pth') == ['epoch_3.pth'], step
        best = files(folder, 'best_*.pth')
        # The last validation is lost if the run was killed between saving and it.
        assert {'best_score_epoch_1.pth', 'best_score_epoch_3.pth'} & set(best), step
        assert all(weights(folder / name) for name in best), step
        assert files(folder, '.*.part') == [], step
        assert pointer.read_text() == str(folder / 'epoch_3.pth'), step


def test_a_run_without_limit_keeps_everything(tmp_path):
    assert in_process(train, tmp_path) == 0
    assert files(tmp_path) == ['epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth']


def test_by_iterations(tmp_path):
    options = dict(by_epoch=False, interval=5, published_keys=['state_dict'])
    assert in_process(train, tmp_path, max_keep_ckpts=2, **options) == 0
    published = list(tmp_path.glob('iter_12-*.pth'))
    assert files(tmp_path) == sorted(
        ['iter_10.pth', 'iter_12.pth', *(path.name for path in published)]
    )
    assert list(load_checkpoint(published[0])) == ['state_dict']


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, capfd):
    """The limit on the size of a file cuts the second checkpoint short."""
    assert in_process(train, tmp_path, max_keep_ckpts=1) == 0
    size = (tmp_path / 'epoch_3.pth').stat().st_size
    folder = tmp_path / 'full'

    def step(action, name):
        if (action, name) == ('half', 'last_checkpoint'):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    assert in_process(train, folder, watch=step, max_keep_ckpts=1) == 1
    assert (
        f'cannot write {folder}/epoch_2.pth: File too large' in capfd.readouterr().err
    )
    assert files(folder) == ['epoch_1.pth']
    assert files(folder, '.*') == []
    load_checkpoint((folder / 'last_checkpoint').read_text())


def test_one_process_of_several_writes(tmp_path):
    def work(rank):
        def step(action, name):
            (tmp_path / f'{rank}_{action}_{name}').touch()

        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), **address)
        train(tmp_path / 'work', watch=step, launcher='pytorch', **BEST)

    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = str(free.getsockname()[1])
    address = dict(WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(partial(in_process, work), range(2))) == [0, 0]
    assert files(tmp_path, '0_rename_epoch_*') == [
        f'0_rename_epoch_{epoch}.pth' for epoch in (1, 2, 3)
    ]
    assert files(tmp_path, '1_*') == []
    assert files(tmp_path / 'work') == ['best_score_epoch_3.pth', 'epoch_3.pth']


def test_files_that_are_written_in_place_are_refused():
    with pytest.raises(ValueError, match='backend_args instead of file_client_args'):
        DurableCheckpointHook(file_client_args=dict(backend='disk'))


def damage(path):
    path.write_bytes(path.read_bytes()[:-100])


def resume(work_dir, **options):
    make_runner(work_dir, resume=True, **options).load_or_resume()


@pytest.fixture
def trained(undisturbed, tmp_path):
    """A copy of a folder with two whole checkpoints of training and one of the best."""
    folder = tmp_path / 'trained'
    assert in_process(train, folder, **BEST | dict(max_keep_ckpts=2)) == 0
    return folder


def test_a_damaged_checkpoint_is_named_with_the_one_before(trained):
    damage(trained / 'epoch_3.pth')
    with pytest.raises(DamagedCheckpointError) as caught:
        resume(trained)
    message = str(caught.value)
    assert message.startswith(
        f'{trained}/epoch_3.pth is not a checkpoint or is damaged'
    )
    assert message.endswith(f'go on from there with --resume {trained}/epoch_2.pth')
    assert '\n' not in message

    resume(trained, load_from=trained / 'epoch_2.pth')


def test_a_changed_byte_is_noticed(trained):
    path = trained / 'epoch_3.pth'
    content = bytearray(path.read_bytes())
    place = content.index(weights(path)['layer.weight'].numpy().tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedCheckpointError, match='its checksums are wrong'):
        resume(trained)


def test_no_whole_checkpoint_is_left(trained):
    for name in ('epoch_2.pth', 'epoch_3.pth'):
        damage(trained / name)
    with pytest.raises(DamagedCheckpointError, match='there is no whole checkpoint'):
        resume(trained)


def test_a_missing_checkpoint_is_named(trained):
    (trained / 'epoch_3.pth').unlink()
    with pytest.raises(FileNotFoundError, match=r'epoch_3\.pth; .*epoch_2\.pth'):
        resume(trained)


def test_a_folder_that_was_moved(trained):
    moved = trained.rename(trained.with_name('moved'))
    with pytest.raises(FileNotFoundError, match=r'--resume .*moved/epoch_3\.pth'):
        resume(moved)


def test_an_empty_pointer_is_named(trained):
    (trained / 'last_checkpoint').write_text('')
    with pytest.raises(DamagedCheckpointError, match=r'is empty; .*epoch_3\.pth'):
        resume(trained)


def test_weights_alone_are_no_training(trained):
    path = trained / 'weights.pth'
    torch.save({'state_dict': weights(trained / 'epoch_3.pth')}, path)
    with pytest.raises(CheckpointError, match='without the state of their training'):
        resume(trained, load_from=path)


def test_another_model_is_not_resumed(trained):
    checkpoint = load_checkpoint(trained / 'epoch_3.pth')
    checkpoint['state_dict']['other.weight'] = torch.zeros(2)
    torch.save(checkpoint, trained / 'epoch_3.pth')
    with pytest.raises(CheckpointError, match=r'1 unexpected \(other\.weight\)'):
        resume(trained)


def test_training_does_not_start_from_a_model_that_has_nothing_in_common(tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'state_dict': {'classifier.weight': torch.zeros(2)}}, path)
    runner = make_runner(tmp_path, load_from=path)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    with pytest.raises(CheckpointError, match='has no parameter of the model'):
        runner.load_or_resume()
