"""OpenShapes: a small dataset for open-world segmentation, made on demand.

Textured shapes over photographs, with occlusion, shadows and distractor texture. Half
of the sixteen categories is meant to be trained on and half to be found; the halves
differ in shape and surface. Needs NumPy, OpenCV, scikit-image and pycocotools only.
"""

from .catalog import CATEGORIES, SEEN_CLASSES, UNSEEN_CLASSES
from .config import GENERATOR_VERSION, OpenShapesConfig
from .manifest import OpenShapesPaths
from .render import Rendering, render_scene
from .sampling import sample_scene
from .scene import Pose, Scene, Sprite
from .writer import OpenShapesSummary, make_openshapes

__all__ = [
    'CATEGORIES',
    'GENERATOR_VERSION',
    'SEEN_CLASSES',
    'UNSEEN_CLASSES',
    'OpenShapesConfig',
    'OpenShapesPaths',
    'OpenShapesSummary',
    'Pose',
    'Rendering',
    'Scene',
    'Sprite',
    'make_openshapes',
    'render_scene',
    'sample_scene',
]
