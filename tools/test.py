"""Test a model: ``python tools/test.py CONFIG CHECKPOINT --eval segm``."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.running import load_config, run_test, set_evaluation
from mmdet_ovis.utils.cli import (
    add_cfg_options,
    add_runner_options,
    add_trust_checkpoint,
    run_tool,
    set_local_rank,
)


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
        '--out', metavar='PREFIX', help='write detections to PREFIX.{bbox,segm}.json'
    )
    parser.add_argument(
        '--metrics-out', metavar='FILE', help='write the metrics to this JSON file'
    )
    add_runner_options(parser)
    add_cfg_options(parser, 'model.test_cfg.rcnn.max_per_img=300')
    add_trust_checkpoint(parser)
    return parser.parse_args()


def main() -> None:
    """Build the runner, test, and keep the metrics."""
    args = parse_args()
    set_local_rank(args.local_rank)
    cfg = load_config(args.config, args.cfg_options)
    set_evaluation(cfg, args.eval, args.eval_class, args.out)
    run_test(
        cfg,
        args.config,
        args.checkpoint,
        work_dir=args.work_dir,
        launcher=args.launcher,
        trust=args.trust_checkpoint,
        out=args.metrics_out,
    )


if __name__ == '__main__':
    run_tool(main)
