"""Which pseudo annotations of each class an image keeps."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pycocotools import mask as mask_api

from ..structures.pseudo_annotation import PseudoAnnotation
from ..structures.vocabulary import name_key
from ..utils.tally import Tally
from .filters import suppress_overlaps

Entry = tuple[str, PseudoAnnotation]
"""Where an annotation stands, for messages, and itself."""

ORDERS: Final = ('score', 'random')
BOXES: Final = ('mask', 'proposal')


@dataclass(frozen=True)
class AssemblyOptions:
    """Which pseudo annotations of an image are kept; the rules apply in this order.

    Args:
        min_conf (float, optional): Keep ``score >= min_conf``. Defaults to 0.3.
        min_area (int): Keep masks of at least so many pixels. Defaults to 1.
        nms_iou (float, optional): Leave out masks that have a larger IoU with a better
            one of their class. Defaults to 0.7; None leaves none out.
        max_per_class (int, optional): Keep so many of a class in an image. Defaults to
            None (all).
        order (str): Which of them: the best by ``'score'``, or ``'random'`` ones.
        seed (int): Of the random choice, which depends on nothing else but image and
            class.
        box (str): ``bbox`` is that of the ``'mask'``, or of the ``'proposal'`` that it
            was made in. Defaults to ``'mask'``.

    Raises:
        ValueError: If a value is out of its range.
    """

    min_conf: float | None = 0.3
    min_area: int = 1
    nms_iou: float | None = 0.7
    max_per_class: int | None = None
    order: str = 'score'
    seed: int = 0
    box: str = 'mask'

    def __post_init__(self) -> None:
        suppress_overlaps([], 0.0 if self.nms_iou is None else self.nms_iou)
        if self.max_per_class is not None and self.max_per_class < 1:
            raise ValueError(
                f'max_per_class is a number of masks, not {self.max_per_class}'
            )
        for name, known in (('order', ORDERS), ('box', BOXES)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} is '{known[0]}' or '{known[1]}', not "
                    f'{getattr(self, name)!r}'
                )


PRESETS: Final = {
    'default': AssemblyOptions(),
    'compat': AssemblyOptions(
        min_conf=None, nms_iou=None, max_per_class=1, order='random'
    ),
}
"""``compat`` keeps what the code of Mask-free OVIS (Vibashan et al., CVPR 2023) keeps:
one annotation of each class in an image, drawn at random. Masks stay RLEs here, too:
polygons would fill their holes."""


@dataclass
class ClassSelection:
    """Chooses among the pseudo annotations of each image, and counts.

    Args:
        options (AssemblyOptions): The rules.
        wanted (Mapping[str, str], optional): Names of the classes by
            :func:`~mmdet_ovis.structures.vocabulary.name_key`. Defaults to None: every
            word is a class.
        category_names (Mapping[int, str]): Names for annotations without a word, by
            category id.
    """

    options: AssemblyOptions
    wanted: Mapping[str, str] | None = None
    category_names: Mapping[int, str] = field(default_factory=dict)
    dropped: Tally = field(default_factory=Tally)

    def choose(self, entries: Sequence[Entry]) -> list[PseudoAnnotation]:
        """Choose among the annotations of one image.

        Args:
            entries (Sequence[Entry]): From one caption or several, in any order.

        Returns:
            list[PseudoAnnotation]: With the name of the class under ``word``, best
            score first; ``rank`` is the place.

        Raises:
            ValueError: If nothing says what a mask shows, or it has no
                ``proposal_box`` where that is wanted.
        """
        by_class: dict[str, list[Entry]] = {}
        for where, ann in entries:
            name = self._class_of(ann, where)
            measured = {**ann, 'word': name, **self._measure(ann, where)}
            reason = self._fault(measured)
            if reason:
                self.dropped.add(reason, where)
            else:
                by_class.setdefault(name, []).append((where, measured))
        chosen = [
            ann for name in sorted(by_class) for ann in self._of_class(by_class[name])
        ]
        chosen.sort(key=_best_first)
        return [{**ann, 'rank': rank} for rank, ann in enumerate(chosen)]

    def _class_of(self, ann: PseudoAnnotation, where: str) -> str:
        word = ann.get('word') or self.category_names.get(ann['category_id'])
        if not word:
            raise ValueError(
                f"{where}: key 'word' is missing, and category_id "
                f'{ann["category_id"]} is no category of the reference, so nothing '
                'says what the mask shows'
            )
        if self.wanted is None:
            return name_key(word)
        return self.wanted.get(name_key(word), '')

    def _measure(self, ann: PseudoAnnotation, where: str) -> dict[str, Any]:
        rle = ann['segmentation']
        box = [int(side) for side in mask_api.toBbox(rle)]
        if self.options.box == 'proposal':
            if 'proposal_box' not in ann:
                raise ValueError(
                    f"{where}: key 'proposal_box' is missing; box='mask' does not "
                    'need it'
                )
            x1, y1, x2, y2 = ann['proposal_box']
            box = [x1, y1, x2 - x1, y2 - y1]
        return {'bbox': box, 'area': int(mask_api.area(rle))}

    def _fault(self, ann: PseudoAnnotation) -> str:
        options = self.options
        if not ann['word']:
            return 'word that is not among the classes'
        if options.min_conf is not None and ann['score'] < options.min_conf:
            return f'score below {options.min_conf}'
        if ann['area'] < options.min_area:
            return f'mask of less than {options.min_area} pixels'
        return ''

    def _of_class(self, entries: list[Entry]) -> list[PseudoAnnotation]:
        """Apply the rules about several masks of one class."""
        if len(entries) > 1:
            entries = sorted(entries, key=lambda entry: _in_full(entry[1]))
        places = {id(ann): where for where, ann in entries}
        anns = [ann for _, ann in entries]
        kept = anns
        if self.options.nms_iou is not None:
            kept = suppress_overlaps(anns, self.options.nms_iou)
            self._drop(anns, kept, places, 'overlaps a better one of its class')
        number = self.options.max_per_class
        if number is None or len(kept) <= number:
            return kept
        few = kept[:number]
        if self.options.order == 'random':
            ann = kept[0]
            key = f'{self.options.seed}-{ann["image_id"]}-{ann["word"]}'
            few = random.Random(key).sample(kept, number)
        self._drop(kept, few, places, f'more than {number} of a class in an image')
        return few

    def _drop(
        self,
        before: Sequence[PseudoAnnotation],
        after: Sequence[PseudoAnnotation],
        places: Mapping[int, str],
        reason: str,
    ) -> None:
        stay = set(map(id, after))
        self.dropped.extend(
            (reason, places[id(ann)]) for ann in before if id(ann) not in stay
        )


def _best_first(ann: PseudoAnnotation) -> tuple:
    """Order that depends on nothing but the annotations themselves."""
    return (-ann['score'], -ann['area'], ann['word'], ann['segmentation']['counts'])


def _in_full(ann: PseudoAnnotation) -> tuple:
    """The same, for masks that are equal: what else is said of them decides."""
    others = {key: value for key, value in ann.items() if key != 'rank'}
    return (*_best_first(ann), json.dumps(others, sort_keys=True))
