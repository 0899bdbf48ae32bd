"""The training set that pseudo labels with words make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..datasets.captions import CaptionedImage, iter_captioned_images
from ..datasets.converters.masks import read_image_size
from ..language.vocabularies import load_vocabulary
from ..pseudo_labels.class_selection import PRESETS
from ..pseudo_labels.coco_assembly import AssemblyReport, assemble_coco
from ..pseudo_labels.coco_categories import number_names
from ..pseudo_labels.reference import Reference
from ..structures.base_novel import BaseNovel, ClassList
from ..structures.class_splits import split_classes
from ..structures.vocabulary import Vocabulary, name_key
from ..utils.coco import image_sizes
from ..utils.coco_stream import load_coco_head
from ..utils.io import atomic_write_json, read_json
from ..utils.json_stream import is_json_object
from ..utils.settings import check_choice

SPLITS = ('base', 'novel', 'all')

_Category = dict[str, Any]


def prepare_coco_dataset(
    inputs: Sequence[str | Path],
    ref: str | Path,
    out: str | Path,
    vocabulary: str | Path | None = None,
    classes: Sequence[str] | None = None,
    split: str | None = None,
    base: ClassList | None = None,
    novel: ClassList | None = None,
    preset: str = 'default',
    image_dir: str | Path | None = None,
    report: str | Path | None = None,
    **options: Any,
) -> AssemblyReport:
    """Make a COCO file for training of pseudo labels with words.

    Classes are those of the vocabulary, of the split, or of the list, in this order;
    each narrows down the ones before. Without any they are the words that occur. Ids
    are those of a vocabulary that is a COCO file; COCO's for COCO's names; and follow
    the order of the names for others.

    Args:
        inputs (Sequence[str | Path]): Files of pseudo labels, or glob patterns.
        ref (str | Path): File of the images: a COCO file, or captions, see
            :func:`~mmdet_ovis.datasets.captions.iter_captioned_images`, which the
            output keeps with the images.
        out (str | Path): COCO file to write.
        vocabulary (str | Path, optional): See
            :func:`~mmdet_ovis.language.vocabularies.load_vocabulary`. Pseudo labels may
            name a class by its synonyms.
        classes (Sequence[str], optional): Names.
        split (str, optional): ``'base'``, ``'novel'`` or ``'all'`` (both).
        base (str | Sequence[str], optional): Base classes: a named split, or names.
            Defaults to COCO's 48.
        novel (str | Sequence[str], optional): Novel classes. Defaults to COCO's 17.
        preset (str): ``'default'`` or ``'compat'``, see
            :mod:`~mmdet_ovis.pseudo_labels.class_selection`.
        image_dir (str | Path, optional): Folder of the images, where ``ref`` does not
            tell their sizes.
        report (str | Path, optional): JSON file of numbers. Defaults to
            ``<out>.report.json``.
        **options: Fields of
            :class:`~mmdet_ovis.pseudo_labels.class_selection.AssemblyOptions` that
            differ from the preset; None changes nothing.

    Returns:
        AssemblyReport: What was read, kept and left out.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is broken, files do not fit together, a class is unknown,
            or an option is out of its range.
    """
    check_choice('preset', preset, PRESETS)
    changes = {key: value for key, value in options.items() if value is not None}
    chosen = replace(PRESETS[preset], **changes)
    reference = read_reference(ref, image_dir)
    categories = None if vocabulary is None else read_categories(vocabulary)
    known = [cat['name'] for cat in categories or reference.head['categories']]
    groups = BaseNovel(
        _names('ov_base' if base is None else base, known),
        _names('ov_novel' if novel is None else novel, known),
    )
    categories = narrow_categories(categories, groups, split, classes)
    summary = assemble_coco(reference, inputs, out, categories, chosen, groups)
    atomic_write_json(report or f'{out}.report.json', summary.to_dict(), indent=2)
    return summary


def narrow_categories(
    categories: Sequence[_Category] | None,
    groups: BaseNovel,
    split: str | None = None,
    classes: Sequence[str] | None = None,
) -> list[_Category] | None:
    """Choose the classes of a training set.

    Args:
        categories (Sequence[dict], optional): Those of a vocabulary.
        groups (BaseNovel): Base and novel classes.
        split (str, optional): See :func:`prepare_coco_dataset`.
        classes (Sequence[str], optional): See there.

    Returns:
        list[dict] | None: COCO categories, None if nothing is said about them.

    Raises:
        ValueError: If the split is unknown, a class is not among those before, or none
            is left.
    """
    if split is not None:
        check_choice('split', split, SPLITS)
        members = {
            'base': groups.base,
            'novel': groups.novel,
            'all': groups.base + groups.novel,
        }[split]
        if categories is None:
            categories = number_names(members)
        allowed = {name_key(name) for name in members}
        categories = [cat for cat in categories if name_key(cat['name']) in allowed]
    if classes is not None:
        wanted = Vocabulary(tuple(classes))
        if categories is None:
            return number_names(wanted.names)
        known = Vocabulary(tuple(category['name'] for category in categories))
        indices = {known.index(name) for name in wanted.names}
        categories = [cat for i, cat in enumerate(categories) if i in indices]
    if categories is not None and not categories:
        raise ValueError(f"no name of the vocabulary is a class of split '{split}'")
    return None if categories is None else list(categories)


def read_categories(vocabulary: str | Path) -> list[_Category]:
    """Read a vocabulary as categories.

    Args:
        vocabulary (str | Path): See :func:`prepare_coco_dataset`.

    Returns:
        list[dict]: With ``id``, ``name`` and ``supercategory``, and ``synonyms`` of
        those that have some.

    Raises:
        FileNotFoundError: If there is no such file or name.
        ValueError: If it is broken; the message names file and entry.
    """
    words = load_vocabulary(vocabulary)
    content = read_json(vocabulary) if Path(vocabulary).suffix == '.json' else None
    categories = content.get('categories') if isinstance(content, Mapping) else None
    if not isinstance(categories, list) or not all('id' in cat for cat in categories):
        return _with_synonyms(number_names(words.names), words)
    of_names = {cat['name']: cat for cat in reversed(categories)}
    categories = [
        {
            'id': of_names[name]['id'],
            'name': name,
            'supercategory': of_names[name].get('supercategory', 'object'),
        }
        for name in words.names
    ]
    return _with_synonyms(categories, words)


def read_reference(ref: str | Path, image_dir: str | Path | None = None) -> Reference:
    """Read the images that pseudo labels are of.

    Args:
        ref (str | Path): A COCO file, or captions.
        image_dir (str | Path, optional): Where the images lie, for their sizes.

    Returns:
        Reference: With no categories if it is a file of captions.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If it is broken, or does not tell how large an image is.
    """
    if is_json_object(ref):
        coco, last_id = load_coco_head(ref, optional=('annotations', 'categories'))
        if coco.dataset['categories']:
            return Reference(Path(ref), coco.dataset, image_sizes(coco, ref), last_id)
    images = [
        {**_sized(image, ref, image_dir), 'captions': list(image.captions)}
        for image in iter_captioned_images(ref)
    ]
    sizes = {image['id']: (image['height'], image['width']) for image in images}
    head = {'images': images, 'annotations': [], 'categories': []}
    return Reference(Path(ref), head, sizes, 0)


def _sized(
    image: CaptionedImage, ref: str | Path, image_dir: str | Path | None
) -> dict[str, Any]:
    size = image.size
    if size is None:
        if image_dir is None:
            raise ValueError(
                f"{ref} does not tell the size of '{image.file_name}'; name the folder "
                'of the images (--images)'
            )
        size = read_image_size(Path(image_dir, image.file_name))
    return {
        'id': image.image_id,
        'file_name': image.file_name,
        'height': size[0],
        'width': size[1],
    }


def _with_synonyms(
    categories: Sequence[_Category], words: Vocabulary
) -> list[_Category]:
    """Add what a vocabulary also says for its names: pseudo labels may say it, too."""
    synonyms = {name: words.forms(i)[1:] for i, name in enumerate(words.names)}
    return [
        {**category, 'synonyms': list(synonyms[category['name']])}
        if synonyms[category['name']]
        else category
        for category in categories
    ]


def _names(classes: ClassList, known: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(classes, str):
        return tuple(classes)
    names = split_classes(classes, tuple(known))
    if not names:
        raise ValueError(
            f"split '{classes}' is the rest of a dataset, and nothing says which "
            'classes that has; give a vocabulary, or the classes in a file'
        )
    return names
