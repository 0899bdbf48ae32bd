"""Test a pairwise affinity network: ``python tools/test_pa.py CONFIG CHECKPOINT``."""

from __future__ import annotations

import argparse

from mmdet_ovis.apis.affinity_testing import set_affinity_test
from mmdet_ovis.apis.running import load_config, run_test
from mmdet_ovis.utils.cli import (
    add_cfg_options,
    add_runner_options,
    add_trust_checkpoint,
    run_tool,
    set_local_rank,
)

EPILOG = """
examples:
  python tools/test_pa.py configs/pairwise_affinity/pa_train.py pa.pth
  python tools/test_pa.py configs/pairwise_affinity/pa_extract.py pa.pth \\
      --eval-proposals --test-partition all --out pa_metrics.json
  bash tools/dist_run.sh 8 test_pa.py configs/pairwise_affinity/pa_train.py pa.pth
"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Judge pairwise affinities against the instances of some classes: '
        'boundaries, errors and their calibration, and the masks that grouping makes '
        'of them.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config of an affinity network')
    parser.add_argument('checkpoint', help='checkpoint that the config was trained to')
    parser.add_argument(
        '--test-partition',
        metavar='SPLIT',
        help='classes whose masks count: voc, nonvoc, person, nonperson, not:<split> '
        'or all, which tells seen and unseen ones apart (default: the unseen ones of '
        'the config)',
    )
    parser.add_argument(
        '--eval-proposals',
        action='store_true',
        help="group by the config's pa_to_masks, and judge the masks",
    )
    parser.add_argument(
        '--legacy-strict',
        action='store_true',
        help='count masks above an IoU threshold, as the original does, not at it',
    )
    parser.add_argument(
        '--out', metavar='FILE', help='write the metrics to this JSON file'
    )
    add_runner_options(parser)
    add_cfg_options(parser, 'pa_to_masks.use_globalization=0')
    add_trust_checkpoint(parser)
    return parser.parse_args()


def main() -> None:
    """Test, and keep the metrics."""
    args = parse_args()
    set_local_rank(args.local_rank)
    cfg = load_config(args.config, args.cfg_options)
    set_affinity_test(cfg, args.test_partition, args.eval_proposals, args.legacy_strict)
    run_test(
        cfg,
        args.config,
        args.checkpoint,
        work_dir=args.work_dir,
        launcher=args.launcher,
        trust=args.trust_checkpoint,
        out=args.out,
    )


if __name__ == '__main__':
    run_tool(main)
