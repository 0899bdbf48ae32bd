"""Processes that are killed, or meet, at every single step they take on the disk."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import sys
from multiprocessing.connection import wait

import pytest

from mmdet_ovis.pseudo_labels import run_folder
from mmdet_ovis.pseudo_labels.chunks import ImageRecord
from mmdet_ovis.pseudo_labels.run_folder import OutputInUseError
from mmdet_ovis.pseudo_labels.shards import Shard
from mmdet_ovis.pseudo_labels.signature import RunSignature, SignatureMismatchError
from mmdet_ovis.pseudo_labels.store import PseudoLabelStore

IMAGE_IDS = [40, 10, 30]
STEPS = {'open', 'os.remove', 'os.rename', 'os.mkdir', 'os.rmdir', 'os.scandir'}
LOCKING = 'fcntl.flock'
WHOLE = Shard()
OTHER_SETTINGS = 3
IN_USE = 4

fork = multiprocessing.get_context('fork')


def run(out, shard=WHOLE, overwrite=False, settings=20):
    """What a process does; images 10 and 30 are empty and broken."""
    signature = RunSignature({'topk': settings})
    with PseudoLabelStore(out, IMAGE_IDS, signature, 2, shard=shard) as store:
        if not store.open(overwrite):
            for position in store.pending():
                image_id = store.image_ids[position]
                error = 'cannot be decoded' if image_id == 30 else None
                anns = [{'id': image_id, 'gt_iou': 0.5}] * (image_id > 30)
                store.add(position, ImageRecord(image_id, anns, error))
            store.finalize()


def at_every_step(out, action):
    """Call ``action(number)`` before each step this process takes on the disk."""
    count = [0]
    folder = str(out.parent)

    def hook(event, args):
        mine = event in STEPS and args and str(args[0]).startswith(folder)
        if mine or event == LOCKING:
            count[0] += 1
            action(count[0], event, args)

    sys.addaudithook(hook)  # for good, so this is for child processes only


def in_process(out, action=None, **options):
    """Start :func:`run` in a process of its own."""

    def work():
        if action is not None:
            at_every_step(out, action)
        try:
            run(out, **options)
        except OutputInUseError:
            sys.exit(IN_USE)
        except SignatureMismatchError:
            sys.exit(OTHER_SETTINGS)

    process = fork.Process(target=work)
    process.start()
    return process


def kill_at(step):
    def action(number, event, args):
        if number == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return action


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch):
    """A kill loses nothing that was written, so there is no need to wait for disks."""
    monkeypatch.setattr(os, 'fsync', lambda descriptor: None)
    monkeypatch.setattr(run_folder, 'PATIENCE', 0.0)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / 'run'
    path.mkdir()
    return path


@pytest.fixture
def out(folder):
    return folder / 'masks.json'


@pytest.fixture
def expected(tmp_path):
    """All that an undisturbed run leaves, by name."""
    path = tmp_path / 'undisturbed' / 'masks.json'
    run(path)
    return contents(path.parent)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def number_of_steps(tmp_path):
    """Count the steps of an undisturbed run."""
    steps = fork.Value('i')
    (tmp_path / 'counted').mkdir()

    def count(number, *_):
        steps.value = number

    in_process(tmp_path / 'counted' / 'masks.json', count).join()
    return steps.value


def test_an_undisturbed_run_leaves_three_files(expected):
    assert sorted(expected) == [
        'masks.json',
        'masks.json.quarantine.jsonl',
        'masks.json.run.json',
    ]
    lists = json.loads(expected['masks.json'])
    assert [len(anns) for anns in lists] == [1, 0, 0]


def test_killed_before_every_step_a_run_resumes_without_a_trace(
    tmp_path, folder, out, expected
):
    steps = number_of_steps(tmp_path)
    assert steps > 30
    for step in range(1, steps + 1):
        process = in_process(out, kill_at(step))
        process.join()
        assert process.exitcode == -signal.SIGKILL
        run(out)
        assert contents(folder) == expected, step
        empty(folder)


def test_killed_while_overwriting_there_is_the_old_run_or_the_new_one(
    tmp_path, folder, out, expected
):
    steps = number_of_steps(tmp_path)
    kept = begun = 0
    for step in range(1, steps + 1):
        run(out, settings=1, overwrite=True)
        old = contents(folder)
        in_process(out, kill_at(step), overwrite=True).join()
        try:
            run(out)
            begun += 1
        except SignatureMismatchError:
            run(out, settings=1)
            assert contents(folder) == old, step
            kept += 1
            run(out, overwrite=True)
        assert contents(folder) == expected, step
    assert kept > 5
    assert begun > 5


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        (WHOLE, WHOLE),
        (Shard(0, 2), Shard(1, 2)),
        (WHOLE, Shard(1, 3)),
        (Shard(1, 3), WHOLE),
    ],
    ids=str,
)
def test_two_processes_meet_at_every_step(
    tmp_path, folder, out, expected, first, second
):
    """One stops before a step, the other runs as far as it gets, the first goes on."""
    met = 0
    for step in range(1, 200):
        codes = meet(out, step, {'shard': first}, {'shard': second})
        if codes is None:
            break
        met += 1
        assert set(codes) <= {0, IN_USE}, step
        if first != second:
            assert codes == (0, 0), step
        assert 0 in codes, step
        assert contents(folder) == expected, step
        empty(folder)
    assert met > 20


def meet(out, step, first, second):
    """Return both exit codes, or None if the first process has fewer steps."""
    stopped, stop = fork.Pipe(duplex=False)
    goes_on, go_on = fork.Pipe(duplex=False)
    blocked, block = fork.Pipe(duplex=False)

    def pause(number, event, args):
        if number == step:
            stop.send(True)
            goes_on.recv()

    def tell(number, event, args):
        if event == LOCKING and not args[1] & fcntl.LOCK_NB:
            block.send(True)

    a = in_process(out, pause, **first)
    if a.sentinel in wait([stopped, a.sentinel]) and not stopped.poll():
        return None
    b = in_process(out, tell, **second)
    wait([blocked, b.sentinel])
    go_on.send(True)
    a.join()
    b.join()
    return a.exitcode, b.exitcode


def test_many_processes_at_once_share_the_work(folder, out, expected):
    for _ in range(10):
        shards = [Shard(0, 2), Shard(1, 2), WHOLE, Shard(2, 3), WHOLE, Shard(0, 2)]
        processes = [in_process(out, shard=shard) for shard in shards]
        for process in processes:
            process.join()
        assert {process.exitcode for process in processes} <= {0, IN_USE}
        assert contents(folder) == expected
        empty(folder)


def test_who_overwrites_and_who_does_not_never_mix(tmp_path, folder, out, expected):
    """Two runs with other settings meet: one is refused, or they come in turn."""
    other = tmp_path / 'other' / 'masks.json'
    run(other, settings=1)
    results = (expected, contents(other.parent))
    met = 0
    for step in range(1, 200):
        options = {'settings': 1, 'overwrite': True}
        codes = meet(out, step, {}, options)
        if codes is None:
            break
        met += 1
        assert set(codes) <= {0, OTHER_SETTINGS, IN_USE}, step
        assert 0 in codes, step
        assert contents(folder) in results, step
        empty(folder)
    assert met > 20
