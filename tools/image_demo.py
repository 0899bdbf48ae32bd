"""Look at photographs: their groups, your own words in them, or why a word is seen.

``image_demo.py IMAGES --pa CKPT`` groups by affinity, ``... --config C --weights W
--texts "dog. red mug"`` finds words, ``... --explain VLM --texts "dog"`` explains.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmdet_ovis.apis.inference.affinity_demo import group_images
from mmdet_ovis.apis.inference.crop_rescorer import CropRescorer
from mmdet_ovis.apis.inference.detection_results import JSON_FORMATS
from mmdet_ovis.apis.inference.explainer import VLM_KINDS, build_explainer
from mmdet_ovis.apis.inference.explanation import explain_media
from mmdet_ovis.apis.inference.media import list_media
from mmdet_ovis.apis.inference.ovis_demo import detect_media
from mmdet_ovis.apis.inference.ovis_inferencer import OVISInferencer
from mmdet_ovis.apis.inference.settings import NMS_MODES, InferenceSettings
from mmdet_ovis.apis.inference.word_vectors import choose_words
from mmdet_ovis.language.vocabularies import PRESETS
from mmdet_ovis.models.layers.embedding_classifier import SCORE_MODES
from mmdet_ovis.utils.cli import add_cfg_options, add_trust_checkpoint, run_tool

OUT_DIR = Path('work_dirs/image_demo')
EPILOG = """
examples:
  the groups of a photograph:
  python tools/image_demo.py photo.jpg --pa work_dirs/pa/epoch_5.pth

  words in a folder, with vectors of a bank and, for new words, of CLIP:
  python tools/image_demo.py photos/ --texts "dog. traffic cone. couch|sofa" \\
      --config configs/ovis/ovis_pseudo-only_r50-fpn_90k_ov-coco.py \\
      --weights work_dirs/ovis_pseudo-only_r50-fpn_90k_ov-coco/iter_90000.pth \\
      --embeddings data/text_embeddings/coco_clip-vit-b-32.npz \\
      --text-encoder openai/clip-vit-base-patch32

  where BLIP sees the words, and the proposals that this means:
  python tools/image_demo.py photo.jpg --explain Salesforce/blip-itm-base-coco \\
      --texts "dog. traffic cone" --pa work_dirs/pa/epoch_5.pth
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; what is not given is not in its result."""
    parser = argparse.ArgumentParser(
        description='Draw what is found in images: groups (--pa), words (--config and\n'
        '--weights), or why a word is seen where it is (--explain, also together with\n'
        '--weights). Pictures and JSON files go to --out-dir. Where words are looked\n'
        'for, inputs that cannot be read are skipped, and the exit code is then 1.',
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        'images', nargs='+', help='images, folders, patterns; for words also videos'
    )
    parser.add_argument(
        '--out-dir', type=Path, default=OUT_DIR, help=f'(default: {OUT_DIR})'
    )
    parser.add_argument(
        '--topk',
        type=int,
        help='groups to draw and write (default: 10), or instances to find in an image '
        '(default: 100)',
    )
    parser.add_argument(
        '--config',
        type=Path,
        metavar='FILE',
        help='config of --weights; without --weights that of --pa (default: the one '
        'beside it)',
    )
    parser.add_argument(
        '--pa',
        type=Path,
        metavar='CKPT',
        help='checkpoint of a pairwise affinity network',
    )
    parser.add_argument('--device', help='for example cpu or cuda:0')
    parser.set_defaults(cfg_options=None)
    add_cfg_options(parser, 'pa_to_masks.use_globalization=0')
    add_trust_checkpoint(parser)
    _add_words(parser.add_argument_group('what to look for'))
    _add_detection(parser.add_argument_group('finding words'))
    _add_explanation(parser.add_argument_group('explaining words'))
    return parser


def _add_words(group: argparse._ArgumentGroup) -> None:
    words = group.add_mutually_exclusive_group()
    words.add_argument(
        '--texts',
        metavar='TEXT',
        help='names between full stops or commas, synonyms between bars: "dog. '
        'couch|sofa"',
    )
    words.add_argument(
        '--vocab-file', metavar='FILE', help='.txt with a name a line, or .json'
    )
    words.add_argument('--preset', choices=tuple(PRESETS), help='names of a data set')
    group.add_argument(
        '--caption',
        metavar='TEXT',
        help='its nouns; with one of the above those names that it says',
    )


def _add_detection(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add('--weights', type=Path, metavar='CKPT', help='checkpoint of a detector')
    add(
        '--embeddings',
        nargs='+',
        metavar='FILE',
        help='text embedding banks (default: that of the config)',
    )
    add(
        '--text-encoder',
        metavar='ID',
        help='for words that no bank has: folder or hub name of CLIP, or KIND:MODEL as '
        'in prepare_text_embeddings.py',
    )
    add(
        '--templates',
        metavar='NAME|FILE',
        help='prompts for the text encoder (default: those of the bank)',
    )
    add(
        '--cache-dir',
        metavar='DIR',
        help='where vectors of encoded words are kept (default: '
        'OUT_DIR/text_embeddings)',
    )
    add(
        '--background',
        metavar='TEXT',
        help='names that compete with the others and are never found: "sky. wall"',
    )
    add(
        '--score-thr',
        type=_threshold,
        metavar='auto|NUMBER',
        help='least score (default: auto, the smaller of 0.05 and 1 / (2 (words + 1)))',
    )
    add('--score-mode', choices=SCORE_MODES, help='(default: that of the config)')
    add(
        '--nms',
        choices=NMS_MODES,
        help='whether words suppress each other (default: class, they do not)',
    )
    add('--iou', type=float, help='overlap that suppresses (default: 0.5)')
    add('--no-masks', dest='masks', action='store_false', help='boxes only')
    add(
        '--rescore',
        metavar='CLIP',
        help='folder or hub name of the CLIP that judges the boxes again',
    )
    add(
        '--save-json',
        choices=JSON_FORMATS,
        help='one COCO file, or a list of RLEs a picture (default: coco)',
    )
    add('--draw', type=int, metavar='N', help='best instances to draw (default: 20)')
    add('--batch-size', type=int, metavar='N', help='(default: 1)')


def _add_explanation(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--explain',
        metavar='VLM',
        help='vision-language model: folder or hub name of BLIP, '
        f'{", ".join(f"{kind}:NAME" for kind in VLM_KINDS)}, or a config with vlm',
    )
    group.add_argument(
        '--proposals',
        metavar='NAME|FILE',
        help='grid, selective_search, or a config with proposals (default: the groups '
        'of --pa, else selective_search)',
    )


def _threshold(text: str) -> float | str:
    try:
        return text if text == 'auto' else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"it is 'auto' or a number, not '{text}'"
        ) from None


def _flag(name: str) -> str:
    return '--no-masks' if name == 'masks' else f'--{name.replace("_", "-")}'


WORDS = ('texts', 'vocab_file', 'preset', 'caption')
SETTINGS = ('score_thr', 'score_mode', 'topk', 'nms', 'iou', 'masks')
DETECTION = (
    *('embeddings', 'text_encoder', 'templates', 'cache_dir', 'background', 'rescore'),
    *('save_json', 'draw', 'batch_size', *(set(SETTINGS) - {'topk'})),
)


OF_NETWORKS = ('config', 'topk', 'cfg_options')
"""Options of what finds words or groups images; explaining alone takes none."""


def check_options(parser: argparse.ArgumentParser, given: dict) -> None:
    """End the program if the options do not go together."""
    words = [name for name in WORDS if name in given]
    found = [name for name in DETECTION if name in given]
    if not {'pa', 'weights', 'explain'} & given.keys():
        parser.error(
            'say what to do: --pa CKPT groups the image, --config FILE --weights CKPT '
            'finds words, --explain VLM shows why a word is seen'
        )
    if found and 'weights' not in given:
        parser.error(f'{_flag(found[0])} goes with --weights')
    if 'proposals' in given and 'explain' not in given:
        parser.error('--proposals goes with --explain')
    if not {'weights', 'explain'} & given.keys():
        if words:
            parser.error(f'{_flag(words[0])} goes with --weights or --explain')
        return
    if not words:
        parser.error('no words: give --texts, --vocab-file, --preset or --caption')
    if 'weights' in given and 'config' not in given:
        parser.error('--weights needs its --config')
    if 'weights' in given and 'pa' in given and 'explain' not in given:
        parser.error('--pa groups, --weights finds words: one of both')
    if 'weights' not in given:
        refuse_in_explaining(parser, given)


def refuse_in_explaining(parser: argparse.ArgumentParser, given: dict) -> None:
    """End the program if options would be ignored where words are only explained."""
    taken = {'config'} if 'pa' in given else set()
    for name in OF_NETWORKS:
        if given.get(name) is not None and name not in taken:
            parser.error(f'{_flag(name)} has no meaning for --explain alone')


def find_words(given: dict, words) -> int:
    """Find words in images and videos."""
    device, clip = given.get('device'), given.get('rescore')
    cache_dir = given.get('cache_dir', given['out_dir'] / 'text_embeddings')
    inferencer = OVISInferencer(
        given['config'],
        given['weights'],
        given.get('embeddings'),
        given.get('text_encoder'),
        device,
        given['cfg_options'],
        given.get('trust_checkpoint', False),
        InferenceSettings(**{key: given[key] for key in SETTINGS if key in given}),
        cache_dir,
        given.get('templates'),
        CropRescorer.from_checkpoint(clip, device) if clip else None,
    ).set_vocabulary(words, given.get('background', ''))
    print(f'{len(words)} words, scores above {inferencer.score_thr:.4g}')
    names = dict(save_json='save_json', batch_size='batch_size', draw='drawn')
    report = detect_media(
        inferencer,
        given['images'],
        given['out_dir'],
        **{names[key]: given[key] for key in names if key in given},
    )
    print(report)
    return report.exit_code


def explain_words(given: dict, words) -> int:
    """Draw why words are seen where they are."""
    explainer = build_explainer(
        given['explain'],
        given.get('proposals'),
        given.get('pa'),
        given.get('device'),
        given.get('trust_checkpoint', False),
        None if 'weights' in given else given.get('config'),
    )
    report = explain_media(
        explainer, given['images'], words, given.get('caption'), given['out_dir']
    )
    print(report)
    return report.exit_code


def group(given: dict) -> None:
    """Group images by affinity."""
    options = ('config', 'out_dir', 'topk', 'device', 'cfg_options', 'trust_checkpoint')
    for path in group_images(
        given['images'], given['pa'], **{k: given[k] for k in options if k in given}
    ):
        print(path)


def main() -> int:
    """Do what the options ask for."""
    parser = make_parser()
    given = vars(parser.parse_args())
    check_options(parser, given)
    list_media(given['images'])  # before anything large is loaded
    if not {'weights', 'explain'} & given.keys():
        group(given)
        return 0
    words = choose_words(
        given.get('texts'),
        given.get('vocab_file') or given.get('preset'),
        given.get('caption'),
    )
    codes = [
        do(given, words)
        for option, do in (('weights', find_words), ('explain', explain_words))
        if option in given
    ]
    return max(codes)


if __name__ == '__main__':
    run_tool(main)
