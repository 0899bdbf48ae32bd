"""Proposals of images that were made before, on their way into a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.logging import MMLogger

from ..pseudo_labels.proposals import FoundBoxes, read_proposals

_MIN_SIDE = 1.0  # pixels: nothing is seen in less, and regression needs a size


class ProposalFileMixin:
    """Reads ``proposal_file`` of a dataset as :func:`.read_proposals` does.

    Stands before a dataset of mmdet among its bases; mmdet itself would unpickle the
    file. Each image gets ``proposals``, a dict of ``bboxes`` (n, 4) float32 xyxy and
    ``scores`` (n,) float32, best first, cut at its borders, for ``LoadProposals``. An
    image that the file does not have gets none.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is broken, or has none of the images.
    """

    def load_proposals(self) -> None:
        """Hand the proposals of the file to the images."""
        path = Path(self.data_root or '', self.proposal_file)
        found = read_proposals(path)
        missing = [info for info in self.data_list if info['img_id'] not in found]
        if len(missing) == len(self.data_list):
            raise ValueError(
                f'{path} has proposals of none of the {len(missing)} images of '
                f'{self.ann_file}; is it of another dataset or split?'
            )
        if missing:
            MMLogger.get_current_instance().warning(
                '%s has no proposals of %d of the %d images of %s, such as %s',
                *(path, len(missing), len(self.data_list), self.ann_file),
                missing[0]['img_path'],
            )
        nothing = FoundBoxes(np.empty((0, 4)), np.empty(0))
        for info in self.data_list:
            proposals = found.get(info['img_id'], nothing)
            limits = np.array([info['width'], info['height']] * 2, np.float32)
            boxes = np.clip(proposals.boxes, 0, limits).astype(np.float32)
            kept = (boxes[:, 2:] - boxes[:, :2] >= _MIN_SIDE).all(axis=1)
            scores = proposals.scores[kept].astype(np.float32)
            order = np.argsort(-scores, kind='stable')
            info['proposals'] = {
                'bboxes': boxes[kept][order],
                'scores': scores[order],
            }
