"""Extraction by several processes: shards by hand, torchrun, Slurm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext

import pytest
from extraction_case import CHUNK_SIZE, N_IMAGES

from mmdet_ovis.pseudo_labels import interpolate_extracted_masks
from mmdet_ovis.pseudo_labels.run_folder import OutputInUseError
from mmdet_ovis.pseudo_labels.shards import Shard
from mmdet_ovis.structures.pseudo_annotation import check_pseudo_annotation

OPTIONS = ['--workers', '0', '--device', 'cpu', '--chunk-size', str(CHUNK_SIZE)]


@pytest.fixture
def expected(extract, tmp_path):
    """All that an undisturbed run leaves, by name."""
    out = tmp_path / 'undisturbed' / 'masks.json'
    extract(out=out)
    return contents(out.parent)


def contents(folder):
    """Files by name; the summary holds times, which differ."""
    return {
        path.name: None if 'summary' in path.name else path.read_bytes()
        for path in folder.iterdir()
    }


def test_case_c1_the_union_of_three_shards_is_the_whole(extract, out, expected):
    for index in (2, 0):
        summary = extract(shard=Shard(index, 3))
        assert not summary.is_complete
        assert not out.exists()
    assert summary.n_images == 3
    assert summary.n_missing == 3
    assert 'shard 0 of 3 is done; 3 images of other shards have no' in summary.table()
    summary = extract(shard=Shard(1, 3))
    assert summary.is_complete
    assert (summary.n_images, summary.n_resumed) == (N_IMAGES, 4)
    assert f'{N_IMAGES} (4 done before or by other shards)' in summary.table()
    assert contents(out.parent) == expected
    saved = json.loads(out.with_name('masks.json.summary.json').read_text())
    assert saved['shard'] == 'shard 1 of 3'


def test_a_shard_that_is_done_predicts_nothing_again(extract, before):
    first = extract(shard=Shard(0, 2))

    def fail(sample):
        raise AssertionError('predicted again')

    before(fail)
    again = extract(shard=Shard(0, 2))
    assert (again.n_images, again.n_resumed) == (4, 4)
    assert again.n_masks == first.n_masks
    assert again.n_missing == first.n_missing == 3


def test_a_shard_at_work_is_left_alone(extract, before, out, expected):
    met = []

    def start_again(sample):
        if not met:
            for shard in (Shard(0, 2), Shard(0, 2)):
                with pytest.raises(OutputInUseError, match='shard 0 of 2') as error:
                    extract(shard=shard)
                met.append(str(error.value))

    before(start_again)
    extract(shard=Shard(0, 2))
    assert f'process {os.getpid()} on ' in met[0]
    extract(shard=Shard(1, 2))
    assert contents(out.parent) == expected


def test_a_shard_tells_of_its_own_broken_images(extract, dataset, out):
    for i in (0, 3):
        (dataset / f'{i:02d}.png').unlink()
    for index, image_id in ((0, 100), (1, 97)):
        for _ in range(2):  # the second time, it is tried again
            summary = extract(shard=Shard(index, 3), max_broken=0.5)
            assert [image.image_id for image in summary.quarantine] == [image_id]
            assert summary.n_quarantined == 1
    summary = extract(shard=Shard(2, 3), max_broken=0.5)
    assert [image.image_id for image in summary.quarantine] == [100, 97]


def test_progress_names_the_shard(extract, tmp_path):
    titles = []

    def progress(title, total, done):
        titles.append((title, total, done))
        return nullcontext(lambda: None)

    extract(shard=Shard(1, 2), progress=progress)
    extract(out=tmp_path / 'whole.json', progress=progress)
    assert titles == [('extraction, shard 1 of 2', 3, 0), ('extraction', N_IMAGES, 0)]


def test_one_file_an_image(extract, out, tmp_path, dataset):
    ann_dir = tmp_path / 'anns'
    options = {'cfg_options': {'pa_to_masks.min_component_size': 500}}
    extract(shard=Shard(0, 2), ann_dir=ann_dir, **options)
    assert not ann_dir.exists()
    extract(shard=Shard(1, 2), ann_dir=ann_dir, **options)
    lists = json.loads(out.read_text())
    ids = [i['id'] for i in json.loads((dataset / 'ann.json').read_text())['images']]
    files = {int(path.stem): json.loads(path.read_text()) for path in ann_dir.iterdir()}
    assert files == dict(zip(ids, lists, strict=True))
    # A run that is complete writes them without doing anything again.
    for path in ann_dir.iterdir():
        path.unlink()
    assert extract(ann_dir=ann_dir, **options).n_resumed == N_IMAGES
    assert len(list(ann_dir.iterdir())) == N_IMAGES


def test_masks_may_stay_at_the_size_of_the_network_input(
    extract, config, out, tmp_path, dataset
):
    pipeline = config.test_dataloader.dataset.pipeline
    pipeline.insert(1, {'type': 'Resize', 'scale_factor': 2.0})
    rescaled = tmp_path / 'rescaled.json'
    extract(out=rescaled)
    extract(rescale=False)
    images = json.loads((dataset / 'ann.json').read_text())['images']
    lists, wanted = json.loads(out.read_text()), json.loads(rescaled.read_text())
    for image, anns in zip(images, lists, strict=True):
        height, width = image['height'], image['width']
        assert anns
        for ann in anns:
            check_pseudo_annotation(ann, str(image))
            assert ann['segmentation']['size'] == [2 * height, 2 * width]
            assert ann['orig_shape'] == [height, width, 3]
    for key in ('score', 'rank', 'gt_iou'):
        assert [[ann[key] for ann in anns] for anns in lists] == [
            [ann[key] for ann in anns] for anns in wanted
        ]
    # What interpolation makes of them is what extraction would have written.
    (summary,) = interpolate_extracted_masks([out])
    for anns, others in zip(json.loads(summary.out.read_text()), wanted, strict=True):
        assert [a['segmentation'] for a in anns] == [a['segmentation'] for a in others]


def test_the_tool_takes_shards(run_tool, capsys, out, expected):
    assert run_tool(*OPTIONS, '--num-shards', 2, '--shard-id', 1) == 0
    assert 'shard 1 of 2 is done; 4 images' in capsys.readouterr().out
    assert run_tool(*OPTIONS, '--num-shards', 2, '--shard-id', 0) == 0
    assert contents(out.parent) == expected
    assert run_tool(*OPTIONS, '--num-shards', 2, '--shard-id', 2) == 2
    assert 'there is no shard 2 of 2' in capsys.readouterr().err
    assert run_tool(*OPTIONS, '--num-shards', 0) == 2
    assert 'at least one shard, not 0' in capsys.readouterr().err
    assert run_tool(*OPTIONS, '--launcher', 'pytorch') == 2
    assert 'start the processes with tools/dist_extract.sh' in capsys.readouterr().err


def test_the_tool_has_an_exit_code_for_a_shard_at_work(run_tool, before, capsys):
    codes = []

    def start_again(sample):
        if not codes:
            codes.append(run_tool(*OPTIONS))

    before(start_again)
    assert run_tool(*OPTIONS) == 0
    assert codes == [4]
    assert 'is being worked on by process' in capsys.readouterr().err


def test_the_tasks_of_slurm_divide_a_shard(
    run_tool, monkeypatch, capsys, out, expected
):
    """Two jobs of two tasks: chunk c belongs to task (c // 2) % 2 of job c % 2."""
    done = []
    for job in range(2):
        for task in range(2):
            monkeypatch.setenv('SLURM_PROCID', str(task))
            monkeypatch.setenv('SLURM_NTASKS', '2')
            monkeypatch.setenv('SLURM_LOCALID', str(task))
            options = ['--launcher', 'slurm', '--num-shards', 2, '--shard-id', job]
            assert run_tool(*OPTIONS, *options) == 0
            done.append(capsys.readouterr().out)
    assert 'shard 0 of 4 is done; 4 images' in done[0]
    assert 'shard 2 of 4 is done; 3 images' in done[1]
    assert 'shard' not in done[2].replace('other shards', '')
    assert 'already complete' not in done[2]
    assert contents(out.parent) == expected


@pytest.fixture
def command(root, config, checkpoint, out, tmp_path, monkeypatch):
    """The command line of an extraction in a process of its own."""
    config_file = tmp_path / 'config.py'
    config.dump(config_file)
    paths = [str(root), str(root / 'tests' / 'test_apis')]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(paths))
    monkeypatch.setenv('PYTHON', sys.executable)
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.delenv('PORT', raising=False)
    return str(config_file), str(checkpoint), '--out', str(out), *OPTIONS


def start(*command):
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_processes_started_at_once_do_not_get_in_each_others_way(
    root, command, out, expected
):
    tool = root / 'tools' / 'extract_pa_masks.py'
    processes = [start(sys.executable, tool, *command) for _ in range(2)]
    logs = [process.communicate(timeout=300)[0] for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes in ([0, 0], [0, 4]), logs
    assert contents(out.parent) == expected


def test_two_processes_of_torchrun_equal_one(root, command, out, expected):
    config, checkpoint, *options = command
    tool = root / 'tools' / 'dist_extract.sh'
    process = start('bash', tool, config, checkpoint, 2, *options)
    log = process.communicate(timeout=300)[0]
    assert process.returncode == 0, log
    assert log.count('is done; ') <= 1
    assert contents(out.parent) == expected


def test_a_process_of_torchrun_that_fails_is_heard(root, command, dataset):
    config, checkpoint, *options = command
    for i in range(2):
        (dataset / f'{i:02d}.png').unlink()
    tool = root / 'tools' / 'dist_extract.sh'
    options += ['--max-broken', '0.2']
    process = start('bash', tool, config, checkpoint, 2, *options)
    log = process.communicate(timeout=300)[0]
    assert process.returncode != 0
    assert 'error: 2 of 7 images cannot be processed' in log


@pytest.fixture
def srun(tmp_path, monkeypatch):
    """A stand-in for Slurm that tells what it was asked for."""
    program = tmp_path / 'bin' / 'srun'
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    path = f'{program.parent}{os.pathsep}{os.environ["PATH"]}'
    monkeypatch.setenv('PATH', path)
    monkeypatch.setenv('PYTHON', 'python3')
    for name in ('GPUS', 'GPUS_PER_NODE', 'CPUS_PER_TASK', 'SRUN_ARGS'):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ('script', 'arguments', 'tool', 'kill'),
    [
        (
            'slurm_train',
            ['c.py', 'work'],
            ['train.py', 'c.py', '--work-dir', 'work'],
            1,
        ),
        ('slurm_test', ['c.py', 'p.pth'], ['test.py', 'c.py', 'p.pth'], 1),
        (
            'slurm_extract',
            ['c.py', 'p.pth'],
            ['extract_pa_masks.py', 'c.py', 'p.pth'],
            0,
        ),
    ],
)
@pytest.mark.usefixtures('srun')
def test_slurm_is_asked_for_gpus(root, monkeypatch, script, arguments, tool, kill):
    command = ['bash', root / 'tools' / f'{script}.sh', 'gpu', 'job', *arguments]
    process = start(*command, '--cfg-options', 'a=1 2')
    lines = process.communicate()[0].splitlines()
    assert process.returncode == 0
    assert lines == [
        *('--partition=gpu', '--job-name=job', '--gres=gpu:8', '--ntasks=8'),
        *('--ntasks-per-node=8', '--cpus-per-task=5', f'--kill-on-bad-exit={kill}'),
        *('python3', '-u', f'{root}/tools/{tool[0]}', *tool[1:]),
        *('--cfg-options', 'a=1 2', '--launcher', 'slurm'),
    ]
    monkeypatch.setenv('GPUS', '4')
    monkeypatch.setenv('CPUS_PER_TASK', '3')
    monkeypatch.setenv('SRUN_ARGS', '--gres=none --time=1')
    lines = start(*command).communicate()[0].splitlines()
    assert lines[2:9] == [
        *('--gres=gpu:4', '--ntasks=4', '--ntasks-per-node=4', '--cpus-per-task=3'),
        *(f'--kill-on-bad-exit={kill}', '--gres=none', '--time=1'),
    ]


@pytest.mark.parametrize(
    'script',
    ['dist_extract', 'dist_run', 'slurm_extract', 'slurm_test', 'slurm_train'],
)
def test_a_shell_tool_without_arguments_prints_its_usage(root, script):
    process = start('bash', root / 'tools' / f'{script}.sh')
    assert f'# bash tools/{script}.sh ' in process.communicate()[0]
    assert process.returncode == 2
