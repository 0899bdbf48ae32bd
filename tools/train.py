"""Train a model: ``python tools/train.py CONFIG``."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.running import build_runner, enable_amp, load_config
from mmdet_ovis.utils.checkpoint import trust_checkpoints
from mmdet_ovis.utils.cli import (
    add_cfg_options,
    add_runner_options,
    add_trust_checkpoint,
    run_tool,
    set_local_rank,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train a model.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='go on from this checkpoint, or without a value from the newest one in '
        'the work folder (if there is none, start)',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate to the actual batch size',
    )
    add_runner_options(parser)
    add_cfg_options(parser, 'optim_wrapper.optimizer.lr=0.01')
    add_trust_checkpoint(parser)
    return parser.parse_args()


def main() -> None:
    """Build the runner and train."""
    args = parse_args()
    set_local_rank(args.local_rank)
    cfg = load_config(args.config, args.cfg_options)
    if args.amp:
        enable_amp(cfg)
    if args.auto_scale_lr:
        cfg.auto_scale_lr.enable = True
    with trust_checkpoints(args.trust_checkpoint):
        runner = build_runner(
            cfg, args.config, args.work_dir, args.launcher, args.resume
        )
        runner.train()


if __name__ == '__main__':
    run_tool(main)
