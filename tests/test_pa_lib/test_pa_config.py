import dataclasses

import numpy as np
import pytest

from pa_lib import GroupingConfig


def test_presets_differ_where_they_say():
    ggn = dataclasses.asdict(GroupingConfig.ggn())
    legacy = dataclasses.asdict(GroupingConfig.legacy())
    default = dataclasses.asdict(GroupingConfig())
    assert {key for key in ggn if ggn[key] != legacy[key]} == {
        *('rag', 'linkage', 'legacy_edge_filter'),
        *('spectral', 'spectral_scale', 'topk'),
    }
    assert {key for key in ggn if ggn[key] != default[key]} == {
        *('footprint_size', 'use_orientation', 'use_globalization'),
        *('rank_method', 'filter_by_edge_method', 'nms', 'diversity'),
    }


def test_ggn_has_the_parameters_of_the_paper():
    config = GroupingConfig.ggn()
    assert (config.edge_thresh, config.join_thresh) == (0.0, 1.0)
    assert (config.rank_method, config.min_component_size) == (3, 0)
    assert (config.nms, config.diversity, config.topk) == (0.2, 0.0, None)
    assert (config.filter_by_edge_method, config.filter_by_edge_thresh) == (2, 0.9)
    assert (config.use_orientation, config.use_globalization) == (True, 0.5)
    assert config.use_new_affinity is False
    assert (config.rag, config.linkage) == ('exact', 'length_weighted')


def test_config_is_frozen_and_hashable():
    config = GroupingConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.nms = 0.5
    assert hash(config) == hash(GroupingConfig())


def test_values_are_normalized():
    config = GroupingConfig.from_dict(
        {'use_orientation': 0, 'use_globalization': 1, 'nms': np.float32(0.5)}
    )
    assert config.use_orientation is False
    assert isinstance(config.use_globalization, float)
    assert type(config.nms) is float
    assert GroupingConfig(topk=np.int64(3)).topk == 3


def test_legacy_can_be_adapted():
    config = GroupingConfig.legacy(nms=0.5, topk=5)
    assert (config.rag, config.linkage) == ('legacy', 'legacy_mean')
    assert config.legacy_edge_filter is True
    assert (config.spectral_scale, config.nms, config.topk) == (1.0, 0.5, 5)
    assert GroupingConfig.legacy().topk == 20


@pytest.mark.parametrize(
    ('parameters', 'message'),
    [
        ({'join_tresh': 0.9}, "'join_tresh'; did you mean 'join_thresh'"),
        ({'oln': None}, "unknown grouping parameter 'oln'; known are edge_thresh, "),
        ({3: 1}, 'unknown grouping parameter 3'),
        ({'nms': 1.5}, r'nms must be in \[0.0, 1.0\], got 1.5'),
        ({'nms': -0.1}, 'nms must be in'),
        ({'nms': float('nan')}, 'nms must be in'),
        ({'join_thresh': float('inf')}, 'join_thresh must be at least 0.0, got inf'),
        ({'rank_method': 6}, r'rank_method must be in \[0, 5\], got 6'),
        ({'spectral': 'pixel'}, "spectral cannot be 'pixel'; did you mean 'pixels'"),
        ({'footprint_size': 1}, 'footprint_size must be at least 2'),
        ({'gamma': 0}, 'gamma must be'),
        ({'spectral_scale': 2}, 'spectral_scale must be'),
        ({'topk': 0}, 'topk must be at least 1'),
        ({'linkage': 'legacy'}, "linkage cannot be 'legacy'; did you mean"),
        ({'rag': 'all'}, "rag cannot be 'all'; known are exact, legacy"),
    ],
)
def test_bad_values_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        GroupingConfig.from_dict(parameters)


@pytest.mark.parametrize(
    ('parameters', 'message'),
    [
        ({'nms': '0.5'}, "nms must be a number, got '0.5'"),
        ({'use_globalization': True}, 'use_globalization must be a number, got True'),
        ({'use_orientation': 2}, 'use_orientation must be a bool'),
        ({'use_orientation': 0.0}, 'use_orientation must be a bool'),
        ({'use_new_affinity': None}, 'use_new_affinity must be a bool'),
        ({'rank_method': 3.0}, 'rank_method must be an integer, got 3.0'),
        ({'topk': '20'}, 'topk must be an integer'),
        (['nms'], 'must be a mapping of names to values, got list'),
        (None, 'got NoneType'),
    ],
)
def test_bad_types_are_named(parameters, message):
    with pytest.raises(TypeError, match=message):
        GroupingConfig.from_dict(parameters)
