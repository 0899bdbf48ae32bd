"""What every converted file has to fulfil."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
from pycocotools.coco import COCO

from mmdet_ovis.datasets import CocoSplitDataset
from mmdet_ovis.datasets.checks import check_coco

TOOLS = Path(__file__).resolve().parents[3] / 'tools' / 'dataset_converters'


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a converter's command line; returns exit code and what it printed."""

    def run_tool(name: str, *args: object) -> tuple[int, str]:
        path = str(TOOLS / name)
        monkeypatch.setattr(sys, 'argv', [path, *map(str, args)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(path, run_name='__main__')
        printed = capsys.readouterr()
        return end.value.code, printed.out + printed.err

    return run_tool


@pytest.fixture
def load():
    """Read a converted file with pycocotools, the check and our dataset."""

    def load_file(path: Path) -> dict:
        coco = COCO(str(path))
        assert not check_coco(path).problems
        dataset = CocoSplitDataset(
            ann_file=str(path), data_prefix={'img': ''}, is_class_agnostic=True,
            test_mode=True, pipeline=[],
        )  # fmt: skip
        assert len(dataset) == len(coco.imgs)
        content = json.loads(path.read_text())
        instances = [dataset.get_data_info(i)['instances'] for i in range(len(dataset))]
        assert sum(map(len, instances)) == len(content['annotations'])
        return content

    return load_file
