"""Masks that somebody else made: any COCO results file as a source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet.registry import TASK_UTILS

from ...structures.pseudo_annotation import check_rle
from ...utils.io import read_json
from ..reader import load_pseudo_annotations
from ..signature import file_sha256
from .base import Evidence, PseudoLabelSource, SourceOutput, build_annotations


@TASK_UTILS.register_module()
class FileSource(PseudoLabelSource):
    """Take the masks of an image from a file.

    Args:
        file (str | Path): A COCO results file (a flat list of dicts with
            ``image_id``, ``segmentation`` and ``score``), or a file of pseudo
            annotations.
        topk (int, optional): Masks an image, best score first. Defaults to 20; None
            keeps all.
        min_score (float, optional): Keep ``score >= min_score``. Defaults to None.
        category_id (int): Category in the output. Defaults to 1.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken; the message names file, index and key.
    """

    name = 'file'

    def __init__(
        self,
        file: str | Path,
        topk: int | None = 20,
        min_score: float | None = None,
        category_id: int = 1,
    ) -> None:
        self.file = Path(file)
        self.topk = topk
        self.min_score = min_score
        self.category_id = category_id
        self._by_image = _load(self.file)

    @property
    def parameters(self) -> dict[str, Any]:
        """The file, by its content, and the choice among its masks."""
        return {
            'file_sha256': file_sha256(self.file),
            'topk': self.topk,
            'min_score': self.min_score,
            'category_id': self.category_id,
        }

    def annotate(self, evidence: Evidence) -> SourceOutput:
        """Look up the masks of one image.

        Raises:
            ValueError: If a mask has another size than the image.
        """
        results = [
            result
            for result in self._by_image.get(evidence.image_id, [])
            if self.min_score is None or result['score'] >= self.min_score
        ]
        results = sorted(results, key=lambda r: -r['score'])[: self.topk]
        for result in results:
            if tuple(result['segmentation']['size']) != tuple(evidence.ori_shape):
                raise ValueError(
                    f'{self.file}: a mask of image_id {evidence.image_id} has size '
                    f'{result["segmentation"]["size"]}, the image is '
                    f'{list(evidence.ori_shape)} (height, width)'
                )
        rles = [result['segmentation'] for result in results]
        scores = [result['score'] for result in results]
        return SourceOutput(
            build_annotations(evidence, rles, scores, self.name, self.category_id)
        )


def _load(path: Path) -> dict[int, list[Mapping[str, Any]]]:
    content = read_json(path)
    flat = isinstance(content, list) and any(isinstance(e, Mapping) for e in content)
    if not flat:
        return load_pseudo_annotations(path)
    by_image: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for i, result in enumerate(content):
        where = f'{path}[{i}]'
        for key in ('image_id', 'segmentation', 'score'):
            if not isinstance(result, Mapping) or key not in result:
                raise ValueError(
                    f"{where}: key '{key}' is missing; a COCO result has image_id, "
                    'segmentation and score'
                )
        check_rle(result['segmentation'], where)
        by_image[result['image_id']].append(result)
    return dict(by_image)
