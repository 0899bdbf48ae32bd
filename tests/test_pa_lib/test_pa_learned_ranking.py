import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twins import property_settings, random_tree

from pa_lib import GroupingConfig, MergeTree, group
from pa_lib.learned_ranking import (
    DEFAULT_RANKER,
    FEATURES,
    Ranker,
    load_ranker,
    node_features,
)


def make_ranker(feature: str, weight: float = 1.0) -> Ranker:
    """A ranker whose logit rises with one feature only."""
    n_features = len(FEATURES)
    hidden = np.zeros((n_features, 1))
    hidden[FEATURES.index(feature)] = weight
    return Ranker(
        mean=np.zeros(n_features),
        scale=np.ones(n_features),
        hidden_weight=hidden,
        hidden_bias=np.zeros(1),
        output_weight=np.ones(1),
        output_bias=0.0,
    )


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.integers(1, 8),
)
@property_settings
def test_features_of_any_tree_are_finite(seed, shape, n_labels):
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, shape, n_labels)
    features = node_features(tree, tree.statistics(rng.random(shape)))
    assert features.shape == (tree.n_nodes, len(FEATURES))
    assert np.isfinite(features).all()


def test_features_of_a_square():
    """4 x 4 pixels of weight 1 in an image of 8 x 8 with weight 0.25."""
    weights = np.full((8, 8), 0.25)
    weights[2:6, 2:6] = 1.0
    labels = 1 + (weights == 1.0).astype(np.int32)
    tree = MergeTree(labels, np.array([[0, 1]]), np.array([0.75]))
    row = node_features(tree, tree.statistics(weights))[1]
    values = dict(zip(FEATURES, row, strict=True))
    assert values['log_area'] == pytest.approx(np.log(16 / 64))
    assert values['core_mean'] == 1.0
    assert values['inner_ring_mean'] == 1.0
    assert values['outer_ring_mean'] == 0.25
    assert values['box_fill'] == 1.0
    assert values['squared_log_aspect'] == 0.0
    assert values['frame_contact'] == 0.0
    assert values['height'] == 0.0
    assert values['parent_height'] == values['persistence'] == 0.75
    assert values['share_of_parent'] == 0.25
    assert values['log_roughness'] == pytest.approx(np.log(12 / 4))


def test_ranker_equals_matrix_products():
    rng = np.random.default_rng(0)
    n_features, n_hidden = len(FEATURES), 5
    ranker = Ranker(
        mean=rng.random(n_features),
        scale=rng.random(n_features) + 0.5,
        hidden_weight=rng.normal(size=(n_features, n_hidden)),
        hidden_bias=rng.normal(size=n_hidden),
        output_weight=rng.normal(size=n_hidden),
        output_bias=0.3,
    )
    features = rng.normal(size=(40, n_features))
    normalized = (features - ranker.mean) / ranker.scale
    hidden = np.tanh(normalized @ ranker.hidden_weight + ranker.hidden_bias)
    logit = hidden @ ranker.output_weight + 0.3
    np.testing.assert_allclose(ranker(features), 1 / (1 + np.exp(-logit)))


def test_file_round_trip(tmp_path):
    path = tmp_path / 'ranker.json'
    ranker = make_ranker('contrast', 0.5)
    path.write_text(json.dumps(ranker.to_dict()))
    features = np.random.default_rng(0).normal(size=(9, len(FEATURES)))
    np.testing.assert_array_equal(load_ranker(path)(features), ranker(features))


def test_grouping_ranks_by_the_file(tmp_path):
    affinity = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    path = tmp_path / 'ranker.json'
    path.write_text(json.dumps(make_ranker('log_area').to_dict()))
    result = group(
        affinity,
        GroupingConfig(footprint_size=4, nms=0, diversity=0, ranker=str(path)),
    )
    assert len(result) > 5
    assert (np.diff(result.areas) <= 0).all()
    assert ((result.scores > 0) & (result.scores < 1)).all()


def test_the_ranker_that_is_shipped_prefers_a_closed_square_to_its_parts():
    affinity = np.full((96, 128), 0.95, np.float32)
    affinity[30:66, [40, 41, 85, 86]] = 0.1
    affinity[[30, 31, 64, 65], 40:87] = 0.1
    result = group(affinity, GroupingConfig())
    truth = np.zeros(affinity.shape, bool)
    truth[31:65, 41:86] = True
    best = result.masks(1)[0]
    assert (best & truth).sum() / (best | truth).sum() > 0.8


def test_the_ranker_that_is_shipped_is_small():
    parameters = json.loads(DEFAULT_RANKER.read_text())
    numbers = sum(np.size(v) for k, v in parameters.items() if k != 'features')
    assert numbers < 500


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'features': ['area']}, "'features' are not those"),
        ({'mean': [0.0]}, r"'mean' must be finite numbers of the shape \(18,\)"),
        ({'output_bias': float('nan')}, "'output_bias' must be finite"),
        ({'hidden_weight': [[0.0]]}, "'hidden_weight' must be finite"),
    ],
)
def test_other_files_are_refused(tmp_path, change, message):
    path = tmp_path / 'bad.json'
    path.write_text(json.dumps({**make_ranker('contrast').to_dict(), **change}))
    with pytest.raises(ValueError, match=message) as error:
        load_ranker(path)
    assert 'bad.json' in str(error.value)


def test_broken_and_missing_files(tmp_path):
    path = tmp_path / 'broken.json'
    path.write_text('{')
    with pytest.raises(ValueError, match=r'broken\.json is not valid JSON'):
        load_ranker(path)
    with pytest.raises(FileNotFoundError, match=r'no ranker .*nowhere\.json'):
        load_ranker(tmp_path / 'nowhere.json')


def test_a_ranker_is_checked_when_it_is_set(tmp_path):
    path = tmp_path / 'broken.json'
    with pytest.raises(FileNotFoundError, match=r'no ranker .*broken\.json'):
        GroupingConfig(ranker=str(path))
    path.write_text('{}')
    with pytest.raises(ValueError, match=r"broken\.json: 'features' are not those"):
        GroupingConfig(ranker=str(path))
    with pytest.raises(ValueError, match='read by rank_method=5 alone, not by 3'):
        GroupingConfig.ggn(ranker=str(DEFAULT_RANKER))
    with pytest.raises(TypeError, match='ranker must be a path'):
        GroupingConfig(ranker=5)
