"""From a config file and options of the command line to a runner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.registry import RUNNERS, init_default_scope
from mmengine.runner import Runner

from ..engine.hooks.checkpoint_hook import POINTER
from ..utils.checkpoint import trust_checkpoints
from ..utils.io import atomic_write_json

EVAL_METRICS = ('bbox', 'segm')


def load_config(
    path: str | Path, cfg_options: Mapping[str, Any] | None = None
) -> Config:
    """Read a config file and apply ``--cfg-options``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file cannot be parsed; the message names it.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'no such config: {path}')
    try:
        cfg = Config.fromfile(path)
    except SyntaxError as error:
        raise ValueError(f'{path} is not a valid config: {error}') from None
    if cfg_options:
        cfg.merge_from_dict(dict(cfg_options))
    return cfg


def load_job_config(
    config: Config | str | Path,
    cfg_options: Mapping[str, Any] | None,
    needed: Sequence[str],
    example: str,
) -> Config:
    """Load the config of a job without a runner, and make its scope the default one.

    Args:
        config (Config | str | Path): A config or its file.
        cfg_options (Mapping, optional): Changes to it.
        needed (Sequence[str]): Keys that it must have.
        example (str): A config that has them, for the message.

    Returns:
        Config: A copy.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be parsed, or lacks a key.
    """
    if isinstance(config, Config):
        cfg = config.copy()
        cfg.merge_from_dict(dict(cfg_options or {}))
    else:
        cfg = load_config(config, cfg_options)
    for key in needed:
        if cfg.get(key) is None:
            raise ValueError(
                f'{cfg.filename or "the config"} has no {key}; use a config such as '
                f'{example}'
            )
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    return cfg


@contextmanager
def building(what: str) -> Iterator[None]:
    """Say what of a config is wrong when it cannot be built.

    Registries and constructors answer a wrong setting by errors of many kinds, which
    do not say where in a config it stands. Errors of a value that say so themselves
    pass as they are.

    Args:
        what (str): What is built, for the message: ``'search of generate.py'``.

    Raises:
        ValueError: If the body raises one of these errors.

    Examples:
        >>> with building('grid of config.py'):
        ...     dict(type='Grid')['stride']
        Traceback (most recent call last):
        ValueError: grid of config.py cannot be built: 'stride' is missing
    """
    try:
        yield
    except KeyError as error:
        reason = str(error.args[0]) if error.args else ''
        if ' ' not in reason:  # a bare key
            reason = f"'{reason}' is missing"
        raise _cannot_build(what, reason) from error
    except (TypeError, AttributeError, AssertionError, IndexError) as error:
        reason = str(error) or f'{type(error).__name__} without a reason'
        raise _cannot_build(what, reason) from error


def _cannot_build(what: str, reason: str) -> ValueError:
    return ValueError(f'{what} cannot be built: {" ".join(reason.split())}')


def build_runner(
    cfg: Config,
    config_path: str | Path,
    work_dir: str | None,
    launcher: str,
    resume: str | None = None,
) -> Runner:
    """Build the runner of a config.

    Args:
        cfg (Config): The config.
        config_path (str | Path): Where it came from; names the default work folder
            ``work_dirs/<name of the config>``.
        work_dir (str, optional): Work folder of the command line, which goes first.
        launcher (str): ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        resume (str, optional): See :func:`set_resume`.

    Returns:
        Runner: Of the type that ``runner_type`` names, else mmengine's.
    """
    setup_cache_size_limit_of_dynamo()
    cfg.launcher = launcher
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(config_path).stem)
    set_resume(cfg, resume)
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return Runner.from_cfg(cfg)


def run_test(
    cfg: Config,
    config_path: str | Path,
    checkpoint: str | Path,
    work_dir: str | None = None,
    launcher: str = 'none',
    trust: bool = False,
    out: str | Path | None = None,
) -> dict[str, float]:
    """Test a checkpoint, and keep the metrics.

    Args:
        cfg (Config): The config.
        config_path (str | Path): Where it came from.
        checkpoint (str | Path): The checkpoint.
        work_dir (str, optional): See :func:`build_runner`.
        launcher (str): See :func:`build_runner`.
        trust (bool): Load the checkpoint even if it holds pickled code.
        out (str | Path, optional): JSON file for the metrics; the first process of
            several writes it.

    Returns:
        dict[str, float]: The metrics.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        CheckpointError: If it cannot be read, or is of another model.
    """
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(f'no such checkpoint: {checkpoint}')
    cfg.load_from = str(checkpoint)
    with trust_checkpoints(trust):
        metrics = build_runner(cfg, config_path, work_dir, launcher).test()
    if out is not None and is_main_process():
        atomic_write_json(out, metrics, indent=2)
    return metrics


def set_resume(cfg: Config, resume: str | None) -> None:
    """Apply ``--resume``.

    Args:
        cfg (Config): Its ``work_dir`` is known.
        resume (str, optional): A checkpoint, or ``'auto'``: the newest one in the work
            folder. As long as that has none, training starts as without
            ``--resume``, from ``load_from`` if the config has it.
    """
    if resume is None:
        return
    if resume != 'auto':
        cfg.resume, cfg.load_from = True, resume
    elif Path(cfg.work_dir, POINTER).exists():
        # mmengine takes the newest one only if nothing else is to be loaded.
        cfg.resume, cfg.load_from = True, None


def enable_amp(cfg: Config) -> None:
    """Train with automatic mixed precision."""
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.loss_scale = 'dynamic'


def set_evaluation(
    cfg: Config,
    metrics: Sequence[str] | None = None,
    eval_class: str | None = None,
    out: str | Path | None = None,
) -> None:
    """Apply the options of ``tools/test.py`` that concern the metric.

    Args:
        cfg (Config): Changed in place.
        metrics (Sequence[str], optional): ``--eval``: ``'bbox'``, ``'segm'``.
        eval_class (str, optional): ``--eval-class``: the split that is judged.
        out (str | Path, optional): ``--out``: prefix of the JSON result files.

    Raises:
        ValueError: If a metric is unknown, or the config's metric does not take the
            option.
    """
    evaluator = cfg.test_evaluator
    if metrics:
        unknown = sorted(set(metrics) - set(EVAL_METRICS))
        if unknown:
            raise ValueError(
                f'--eval knows {", ".join(EVAL_METRICS)}, not {", ".join(unknown)}'
            )
        if 'metric' not in evaluator:
            raise ValueError(f'--eval has no meaning for the metric {evaluator.type}')
        evaluator.metric = list(metrics)
    if eval_class is not None:
        if 'eval_class' not in evaluator:
            raise ValueError(
                f'--eval-class has no meaning for the metric {evaluator.type}; '
                'OpenWorldCocoMetric takes it'
            )
        evaluator.eval_class = eval_class
        cfg.test_dataloader.dataset.eval_class = eval_class
    if out is not None:
        evaluator.outfile_prefix = str(out)
