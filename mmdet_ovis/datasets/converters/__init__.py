"""Other datasets as COCO files, for `tools/dataset_converters`."""

from .ade20k_to_coco import convert_ade20k
from .images_to_coco import convert_images
from .lvis_to_coco import convert_lvis
from .openimages_to_coco import convert_open_images
from .output import ConversionSummary
from .ov_split import convert_ov_split
from .uvo_to_coco import convert_uvo

__all__ = [
    'ConversionSummary',
    'convert_ade20k',
    'convert_images',
    'convert_lvis',
    'convert_open_images',
    'convert_ov_split',
    'convert_uvo',
]
