"""JPEGs decoded at a part of their size: where that is enough, and where models say so."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from oneclass import Detector, ImageError, images, load
from oneclass.backbones import DEFAULT, Backbone, Preprocessing
from oneclass.detector.files import modelfile
from oneclass.images.scale import choose_scale
from oneclass.images.sources import gather
from oneclass.representations import JPEG_MARGIN, Greyscale, PretrainedLayers, from_record
from oneclass.representations.extraction import Extracted, extract

GREY = {"backbone": "greyscale", "size": (16, 20), "n_halfspaces": 1}


def photograph(seed: int, height: int = 130, width: int = 170) -> Image.Image:
    """Soft shapes, as cameras see them."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def as_jpeg(picture: Image.Image, **settings: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, **settings)
    return buffer.getvalue()


def by_pillow(content: bytes, divisor: int) -> NDArray[np.uint8]:
    """The oracle: Pillow opens the file itself."""
    with Image.open(io.BytesIO(content)) as image:
        image.draft(None, (image.width // divisor, image.height // divisor))
        return np.asarray(image)


@pytest.mark.parametrize("settings", [{}, {"progressive": True}], ids=["baseline", "progressive"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    ("at_least", "divisor"),
    [((130, 170), 1), ((66, 10), 1), ((65, 85), 2), ((33, 10), 2), ((32, 42), 4), ((16, 21), 8),
     ((1, 1), 8)],
)  # fmt: skip
def test_a_jpeg_is_decoded_at_the_least_size_that_suffices(
    tmp_path: Path, settings: dict, mode: str, at_least: tuple[int, int], divisor: int
) -> None:
    content = as_jpeg(photograph(0).convert(mode), **settings)
    (tmp_path / "a.jpg").write_bytes(content)
    found = images.read(tmp_path / "a.jpg", at_least=at_least)
    assert found.shape[:2] == (-(-130 // divisor), -(-170 // divisor))
    assert found.shape[0] >= at_least[0]
    assert found.shape[1] >= at_least[1]
    np.testing.assert_array_equal(found, by_pillow(content, divisor))


def test_a_turned_jpeg_suffices_once_it_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.jpg").write_bytes(as_jpeg(photograph(0), exif=exif))
    assert images.read(tmp_path / "a.jpg", at_least=(85, 65)).shape == (85, 65, 3)
    assert images.read(tmp_path / "a.jpg", at_least=(65, 85)).shape == (170, 130, 3)


@pytest.mark.parametrize("side", [8, 9, 15, 16, 17, 31, 33])
def test_sizes_that_eight_does_not_divide(tmp_path: Path, side: int) -> None:
    (tmp_path / "a.jpg").write_bytes(as_jpeg(photograph(0, 20, 20).resize((side, side + 1))))
    for least in range(1, side + 1):
        found = images.read(tmp_path / "a.jpg", at_least=(least, least))
        assert min(found.shape[:2]) >= least


def test_other_formats_are_read_whole(tmp_path: Path) -> None:
    photograph(0).save(tmp_path / "a.png")
    assert images.read(tmp_path / "a.png", at_least=(4, 4)).shape == (130, 170, 3)


def test_damage_is_found_at_any_size(tmp_path: Path) -> None:
    content = as_jpeg(photograph(0))
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError) as caught:
        images.read(tmp_path / "a.jpg", at_least=(4, 4))
    assert caught.value.reason == "truncated"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "normal").mkdir()
    for i in range(24):
        (tmp_path / "normal" / f"{i:02}.jpg").write_bytes(as_jpeg(photograph(i)))
    return tmp_path / "normal"


def test_the_rule_is_kept_in_the_model_and_the_images_are_found_by_it(
    folder: Path, tmp_path: Path
) -> None:
    detector = Detector(**GREY).fit(folder)
    detector.save(tmp_path / "m", rows=True)
    again = load(tmp_path / "m")
    assert again.card["representation"]["preprocessing"]["jpeg_margin"] == JPEG_MARGIN == 2
    np.testing.assert_array_equal(again.score(folder).scores, detector.score(folder).scores)
    did = again.update(forget=folder / "03.jpg")
    assert (did.forgotten, did.errors) == (1, ())


def test_models_from_before_the_rule_decode_all(folder: Path, tmp_path: Path) -> None:
    detector = Detector(**GREY).fit(folder)
    detector.save(tmp_path / "new")
    card, arrays, _ = modelfile.read(tmp_path / "new")
    del card["representation"]["preprocessing"]["jpeg_margin"]
    modelfile.write(tmp_path / "old", card, arrays)
    old = load(tmp_path / "old")
    whole = [images.read(path) for path in sorted(folder.iterdir())]
    reduced = [images.read(path, at_least=(32, 40)) for path in sorted(folder.iterdir())]
    assert reduced[0].shape == (33, 43, 3)
    np.testing.assert_array_equal(old.score(folder).scores, old.score(whole).scores)
    np.testing.assert_array_equal(detector.score(folder).scores, detector.score(reduced).scores)
    assert (old.score(folder).scores != detector.score(folder).scores).all()


def test_the_store_keeps_the_rules_apart(folder: Path, tmp_path: Path) -> None:
    detector = Detector(**GREY, cache=tmp_path / "cache").fit(folder)
    detector.save(tmp_path / "m")
    card, arrays, _ = modelfile.read(tmp_path / "m")
    del card["representation"]["preprocessing"]["jpeg_margin"]
    modelfile.write(tmp_path / "old", card, arrays)
    for file, found in (("m", 24), ("old", 0)):
        other = load(tmp_path / file, cache=tmp_path / "cache")
        other.score(folder)
        assert other.cache_use is not None
        assert other.cache_use.found == found


def test_the_rule_hardly_moves_rows(folder: Path) -> None:
    layers = [("block_2", 2), ("block_14", 1)]
    margins = {}
    for margin in (None, 1, 2):
        layer = PretrainedLayers(Backbone.open(DEFAULT), layers, size=(32, 32), jpeg_margin=margin)
        found = extract(gather(folder), layer, choose_scale("uint8", 0, 255), workers=2)
        margins[margin] = np.stack([r.row for r in found if isinstance(r, Extracted)])
    cosine = {m: (margins[m] * margins[None]).sum(axis=1).min() for m in (1, 2)}
    assert cosine[2] > 0.99
    assert cosine[2] >= cosine[1] - 1e-3


@pytest.mark.parametrize("margin", [0, -1, "two"])
def test_a_senseless_rule_is_refused(margin: object) -> None:
    record = Greyscale((4, 4)).to_json()["preprocessing"]
    with pytest.raises(ValueError, match=r"jpeg_margin|malformed"):
        Preprocessing.from_json({**record, "jpeg_margin": margin})


def test_records_keep_the_rule() -> None:
    for margin in (None, 3):
        again = from_record(Greyscale((4, 4), jpeg_margin=margin).to_json(), None)
        assert again.preprocessing.jpeg_margin == margin
