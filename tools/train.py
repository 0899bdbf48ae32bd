"""Train a model: ``python tools/train.py CONFIG``."""

from __future__ import annotations

import argparse
import os

from mmengine.config import DictAction

from mmdet_ovis.apis.running import build_runner, enable_amp, load_config, set_resume
from mmdet_ovis.utils.checkpoint import trust_checkpoints
from mmdet_ovis.utils.cli import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir', help='logs and checkpoints (default: work_dirs/<config name>)'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='go on from this checkpoint, or without a value from the newest one in '
        'the work folder',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the actual batch size',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override settings, for example optim_wrapper.optimizer.lr=0.01',
    )
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none'
    )
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load checkpoints even if they hold pickled code (only your own files)',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main() -> None:
    """Build the runner and train."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    set_resume(cfg, args.resume)
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        cfg.auto_scale_lr.enable = True
    with trust_checkpoints(args.trust_checkpoint):
        build_runner(cfg, args.config, args.work_dir, args.launcher).train()


if __name__ == '__main__':
    run_tool(main)
