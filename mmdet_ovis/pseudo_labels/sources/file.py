"""Masks that somebody else made: any COCO results file as a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmdet.registry import TASK_UTILS

from ..reader import load_pseudo_annotations
from ..signature import file_sha256
from .base import Evidence, PseudoLabelSource, SourceOutput, build_annotations


@TASK_UTILS.register_module()
class FileSource(PseudoLabelSource):
    """Take the masks of an image from a file.

    Args:
        file (str | Path): Anything that :func:`.reader.load_pseudo_annotations` reads
            without the sizes of the images: COCO results whose masks are RLEs, or
            pseudo annotations.
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
        self._by_image = load_pseudo_annotations(self.file)

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
        anns = [
            ann
            for ann in self._by_image.get(evidence.image_id, [])
            if self.min_score is None or ann['score'] >= self.min_score
        ]
        anns = sorted(anns, key=lambda ann: -ann['score'])[: self.topk]
        for ann in anns:
            if tuple(ann['segmentation']['size']) != tuple(evidence.ori_shape):
                raise ValueError(
                    f'{self.file}: a mask of image_id {evidence.image_id} has size '
                    f'{ann["segmentation"]["size"]}, the image is '
                    f'{list(evidence.ori_shape)} (height, width)'
                )
        rles = [ann['segmentation'] for ann in anns]
        scores = [ann['score'] for ann in anns]
        return SourceOutput(
            build_annotations(evidence, rles, scores, self.name, self.category_id)
        )
