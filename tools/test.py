"""Test a model: ``python tools/test.py CONFIG CHECKPOINT --eval segm``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmengine.config import DictAction
from mmengine.dist import is_main_process

from mmdet_ovis.apis.running import build_runner, load_config, set_evaluation
from mmdet_ovis.utils.checkpoint import trust_checkpoints
from mmdet_ovis.utils.cli import run_tool
from mmdet_ovis.utils.io import atomic_write_json


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Test a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint that the config was trained to')
    parser.add_argument(
        '--eval', nargs='+', metavar='TYPE', help='what to judge: bbox, segm or both'
    )
    parser.add_argument(
        '--eval-class',
        '--test-partition',
        metavar='SPLIT',
        help='classes to judge: all, voc, nonvoc, person, nonperson, object or '
        'not:<split>',
    )
    parser.add_argument(
        '--work-dir', help='logs and metrics (default: work_dirs/<config name>)'
    )
    parser.add_argument(
        '--out', metavar='PREFIX', help='write detections to PREFIX.{bbox,segm}.json'
    )
    parser.add_argument(
        '--metrics-out', metavar='FILE', help='write the metrics to this JSON file'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override settings'
    )
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none'
    )
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load the checkpoint even if it holds pickled code (only your own files)',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main() -> None:
    """Build the runner, test, and keep the metrics."""
    args = parse_args()
    cfg = load_config(args.config, args.cfg_options)
    set_evaluation(cfg, args.eval, args.eval_class, args.out)
    cfg.load_from = args.checkpoint
    if not Path(args.checkpoint).is_file():
        raise FileNotFoundError(f'no such checkpoint: {args.checkpoint}')
    with trust_checkpoints(args.trust_checkpoint):
        metrics = build_runner(cfg, args.config, args.work_dir, args.launcher).test()
    if args.metrics_out and is_main_process():
        atomic_write_json(args.metrics_out, metrics, indent=2)


if __name__ == '__main__':
    run_tool(main)
