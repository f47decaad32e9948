"""Which image belongs to which sub-category, and which images are held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import DEFAULT, Backbone
from oneclass.detector.collecting import choose_pixel_scale, read_headers
from oneclass.detector.views import DEFAULT_LAYER
from oneclass.errors import ImageError, InputError
from oneclass.images import folders
from oneclass.images.sources import Progress, gather
from oneclass.images.tables import from_windows, read_labels
from oneclass.representations import PretrainedLayers
from oneclass.representations.extraction import extract
from oneclass.rows import ArrayRows
from oneclass.rows.layers import Layers
from oneclass.svm import cluster_rows
from oneclass.system.host.workers import worker_count
from oneclass.system.names import as_spelt_here, count, natural_key, plural, some_names

NAME_COLUMNS = ("subcategory", "sub-category", "label", "class", "identity")
HELD_OUT_FROM, HELD_OUT_SHARE = 5, 0.1


@dataclass(frozen=True)
class Labelled:
    """Files and the sub-category of each.

    Attributes:
        paths: in an order that the names decide.
        subcategories: the name of each file's sub-category.
        errors: inputs that lead nowhere.
        notes: what was left out and why, one sentence each.
    """

    paths: tuple[Path, ...]
    subcategories: tuple[str, ...]
    errors: tuple[ImageError, ...] = ()
    notes: tuple[str, ...] = ()


def from_folder(folder: Path) -> Labelled:
    """FOLDER/<sub-category>/*: the first folder below decides, however deep the file lies.

    Raises:
        InputError: the folder is missing, or its images lie in no sub-folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder with one folder of images a sub-category.")
    listing = folders.expand(folder)
    found = [(path.relative_to(folder).parts[0], path) for path in listing.paths]
    inside = [(name, path) for name, path in found if path != folder / name]
    if not inside:
        raise InputError(
            f"{folder}: holds {count(len(found), 'image')}, but no sub-folder with images. "
            f"Expected {folder}/<sub-category>/*, or --labels FILE.csv, or --auto-subcategories K."
        )
    loose = len(found) - len(inside)
    belong = f"{count(loose, 'image')} in {folder} itself {plural(loose, 'belongs', 'belong')}"
    notes = (f"{belong} to no sub-category.",) if loose else ()
    inside.sort(key=lambda pair: (natural_key(pair[0]), natural_key(pair[1])))
    names, paths = zip(*inside, strict=True)
    return Labelled(paths, names, listing.errors, notes)


def from_csv(file: Path, folder: Path) -> Labelled:
    """A table with a header: `path` (relative to FOLDER) and `subcategory` (or `label`, ...).

    `images.tables` has what else the columns may be called.

    Raises:
        InputError: the table cannot be read, lacks a column, or names one file twice.
    """
    rows = read_labels(file, NAME_COLUMNS).rows
    pairs, errors = [], []
    for _, given, label in rows:
        path, name = as_spelt_here(folder / given), label.strip()
        if not path.exists() and (other := as_spelt_here(folder / from_windows(given))).exists():
            path = other
        if not path.is_file():
            errors.append(
                ImageError(path, "missing", f"{file} names it, but there is no such file")
            )
        elif not name:
            errors.append(ImageError(path, "unlabelled", f"{file} gives it no sub-category"))
        else:
            pairs.append((name, path))
    if not pairs:
        first = f" The first: {errors[0]}." if errors else ""
        raise InputError(
            f"labels {file}: of its {count(len(rows), 'line')} none names an image in {folder} "
            f"and its sub-category.{first} Give paths relative to {folder}."
        )
    if twice := [path for path, n in Counter(path for _, path in pairs).items() if n > 1]:
        raise InputError(f"labels {file}: names {twice[0]} more than once. Name each file once.")
    pairs.sort(key=lambda pair: (natural_key(pair[0]), natural_key(pair[1])))
    return Labelled(tuple(p for _, p in pairs), tuple(n for n, _ in pairs), tuple(errors))


def from_clusters(
    folder: Path, n_clusters: int, *, seed: int, progress: Progress | None = None
) -> Labelled:
    """Sub-categories found by grouping the embedded backbone's features, where nobody named any.

    Args:
        folder: of images, searched in depth.
        n_clusters: at least 2, at most half as many as there are images.
        seed: of the grouping.
        progress: called with (images done, images in all).

    Raises:
        InputError: a number of clusters out of its range; too few images.
    """
    sources = gather(folder)
    if len(sources) < 4:
        raise InputError(
            f"{folder}: holds {count(len(sources), 'image')}, too few to group: at least 4 are "
            "needed, 2 a sub-category (100 images each are advisable). Add images."
        )
    if not 2 <= n_clusters <= len(sources) // 2:
        raise InputError(
            f"auto-subcategories is {n_clusters}: expected at least 2 and at most "
            f"{len(sources) // 2}, half of the {count(len(sources), 'image')} in {folder}."
        )
    workers = worker_count()
    headers = list(read_headers(sources, workers=workers).values())
    network = Backbone.open(DEFAULT)
    layers = Layers.parse(DEFAULT_LAYER, network.has_layer)
    representation = PretrainedLayers(network, layers)
    scale, _ = choose_pixel_scale(sources, headers, workers=workers)
    rows, paths, errors = [], [], list(sources.errors)
    for done, found in enumerate(extract(sources, representation, scale, workers=workers), 1):
        if isinstance(found, ImageError):
            errors.append(found)
        else:
            rows.append(found.row)
            paths.append(Path(sources.names[found.index]))
        if progress:
            progress(done, len(sources))
    labels, _ = cluster_rows(ArrayRows(np.array(rows)), min(n_clusters, len(rows)), seed)
    names = tuple(f"cluster-{label}" for label in labels)
    return Labelled(tuple(paths), names, tuple(errors))


def keep_large(names: Sequence[str], *, at_least: int) -> tuple[NDArray[np.bool_], str | None]:
    """Which images belong to a sub-category with enough of them, and a note on the others.

    Args:
        names: (n,) the sub-category of each image.
        at_least: images that a sub-category needs; at least 2.

    Raises:
        InputError: fewer than two sub-categories are left.
    """
    counts = Counter(names)
    small = [name for name, n in counts.items() if n < at_least]
    if len(counts) - len(small) < 2:
        few = f", {len(small)} of them with fewer than {at_least} images" if small else ""
        raise InputError(
            f"found {count(len(counts), 'sub-category', 'sub-categories')}{few}. Training tells "
            f"sub-categories apart: at least 2 with {at_least} images or more are needed (100 "
            "images each are advisable). Group the images otherwise, or let --auto-subcategories "
            "K do it."
        )
    kept = np.array([counts[name] >= at_least for name in names])
    if not small:
        return kept, None
    return kept, (
        f"{len(small)} of {len(counts)} sub-categories {plural(len(small), 'has', 'have')} fewer "
        f"than {at_least} images and {plural(len(small), 'is', 'are')} left out: "
        f"{some_names(small)}."
    )


def hold_out(labels: NDArray[np.int64], *, seed: int) -> NDArray[np.bool_]:
    """Choose images to measure accuracy on: a tenth of each sub-category with five or more.

    Args:
        labels: (n,) the sub-category of each image, as a number.
        seed: of the choice.

    Returns:
        (n,) True for the images that are never trained on.
    """
    held = np.zeros(len(labels), bool)
    rng = np.random.default_rng(seed)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) >= HELD_OUT_FROM:
            size = max(1, round(HELD_OUT_SHARE * len(members)))
            held[rng.choice(members, size, replace=False)] = True
    return held
