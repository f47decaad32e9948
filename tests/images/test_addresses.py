"""Images behind addresses: found in folders and lists, read, and refused, as files are."""

from __future__ import annotations

import gc
import io
import tracemalloc
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from oneclass import images
from oneclass.errors import ImageError
from oneclass.images.check import check
from oneclass.images.folders import expand
from oneclass.images.sources import gather
from oneclass.system.files import whole_file
from oneclass.system.places import Remote, place

pytest.importorskip("fsspec")


def put(where: Path, content: bytes) -> None:
    with whole_file(where) as file:
        file.write(content)


def png(side: int = 8, seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def root() -> Path:
    folder = place(f"memory://{uuid4().hex}")
    for name in ("img10.png", "img2.png", "sub/a.JPG", "sub/deep/b.tif", ".hidden.png"):
        put(folder / name, png())
    put(folder / "notes.csv", b"a,b")
    return folder


def names(root: Path, found: images.folders.Listing) -> list[str]:
    return [str(path).removeprefix(f"{root}/") for path in found.paths]


def test_a_folder_is_searched_in_depth_in_natural_order(root: Path) -> None:
    found = expand(str(root))
    assert names(root, found) == ["img2.png", "img10.png", "sub/a.JPG", "sub/deep/b.tif"]
    assert dict(found.ignored) == {".csv": 1}
    assert names(root, expand(f"{root}/")) == names(root, found)
    assert names(root, expand([str(root / "sub"), str(root)]))[:2] == [
        "sub/a.JPG",
        "sub/deep/b.tif",
    ]
    assert len(expand([str(root), str(root / "sub")]).paths) == 4, "each once"


def test_patterns_and_what_is_not_there(root: Path) -> None:
    assert names(root, expand(f"{root}/*.png")) == ["img2.png", "img10.png"]
    assert names(root, expand(f"{root}/**/*.tif")) == ["sub/deep/b.tif"]
    for given in (f"{root}/nothing/", f"{root}/none*.png"):
        (error,) = expand(given).errors
        assert (error.reason, error.name) == ("missing", given)


def test_lists_here_and_there_name_addresses(root: Path, tmp_path: Path) -> None:
    lines = [f"{root}/img2.png", "# a comment", f"{root}/gone.png", "sub/a.JPG", f"{root}/sub/deep"]
    put(root / "list.txt", "\n".join(lines).encode())
    expected = ["img2.png", "gone.png", "sub/a.JPG", "sub/deep/b.tif"]
    assert names(root, expand(f"{root}/list.txt")) == expected
    (tmp_path / "list.txt").write_text("\n".join([*lines[:3], lines[-1]]))
    found = expand(tmp_path / "list.txt")
    assert names(root, found) == [expected[i] for i in (0, 1, 3)]
    assert found.errors == ()
    assert names(root, expand(["-"], stdin=io.BytesIO(lines[0].encode()))) == ["img2.png"]


def test_a_file_address_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    assert list(expand(tmp_path.as_uri()).paths) == [tmp_path / "a.png"]


def test_images_are_read_and_refused_as_files_are(root: Path, tmp_path: Path) -> None:
    content = {"good.png": png(30), "cut.png": png(30)[:60], "empty.png": b"", "text.png": b"hello"}
    for name, data in content.items():
        put(root / "more" / name, data)
        (tmp_path / name).write_bytes(data)
        here, there = tmp_path / name, root / "more" / name
        outcome = []
        for path in (here, there):
            try:
                pixels = images.read(path)
                outcome.append((pixels.tobytes(), images.probe(str(path))))
            except ImageError as error:
                outcome.append((error.reason, error.detail))
        assert outcome[0] == outcome[1], name
    for path in (root / "gone.png", str(root / "gone.png")):
        with pytest.raises(ImageError, match=r"memory://.*/gone.png: .* \[missing\]") as caught:
            images.read(path)
        assert caught.value.name == str(root / "gone.png")


def test_check_and_gather_name_them_as_they_were_given(root: Path) -> None:
    report = check(str(root))
    assert report.images == 4
    assert report.duplicates[0][0] == root / "img2.png"
    assert str(report.duplicates[0][0]) == f"{root}/img2.png"
    sources = gather([f"{root}/sub//a.JPG"])
    assert list(sources.names) == [f"{root}/sub//a.JPG"], "to the letter"
    assert sources.key(0) is None or len(sources.key(0) or b"") == 32


def test_a_list_of_many_addresses_takes_little_memory(tmp_path: Path) -> None:
    n = 100_000
    lines = (f"s3://bucket/line-{i // 1000:04}/part-{i:09}.png" for i in range(n))
    (tmp_path / "list.txt").write_text("\n".join(lines))
    gc.collect()
    tracemalloc.start()
    found = expand(tmp_path / "list.txt")
    kept, peak = tracemalloc.get_traced_memory()
    assert str(found.paths[77_777]) == "s3://bucket/line-0077/part-000077777.png"
    del found
    gc.collect()
    others, _ = tracemalloc.get_traced_memory()  # modules that were imported for it
    tracemalloc.stop()
    assert kept - others < 60 * n, "bytes a path"
    assert peak - others < 180 * n


def test_heatmaps_that_were_drawn_there_are_no_images(root: Path) -> None:
    for name in ("000001_a", "000002_b"):
        put(root / "sub" / f"{name}.png", b"\x89PNG oneclass heatmap" if name[-1] == "a" else png())
        put(root / "sub" / f"{name}.npy", b"")
    found = expand(str(root / "sub"))
    assert "000001_a.png" not in {path.name for path in found.paths}
    assert "000002_b.png" in {path.name for path in found.paths}
    assert found.ignored["heatmaps of oneclass"] == 1


@pytest.mark.parametrize("address", ["http://host/", "https://host/parts", "http://host/a.png"])
def test_a_web_page_over_http_is_told_with_what_to_give_instead_of_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    page = b"<!doctype html><title>Index of /</title>"
    monkeypatch.setattr(Remote, "read_bytes", lambda _: page)
    with pytest.raises(ImageError, match=r"a web page .* no folder can be listed: .*\.txt") as told:
        images.read(address)
    assert told.value.reason == "not_an_image"
    assert "download failed" not in str(told.value)
    (tmp_path / "a.png").write_bytes(page)
    with pytest.raises(ImageError, match="download failed"):
        images.read(tmp_path / "a.png")
