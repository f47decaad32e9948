"""The paper's data sets: what is read, what is computed, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oneclass import InputError
from oneclass.cli import cli
from oneclass.datasets import xray_simulated as simulated
from oneclass.datasets.faces import load_faces
from oneclass.datasets.mnist import FILES, load_mnist, load_mnist_5k, read_idx
from oneclass.datasets.mnist_download import fetch_mnist, find_mnist
from oneclass.datasets.xray import load_xray
from oneclass.errors import DownloadError


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def test_idx_files_are_read_and_damaged_ones_refused(tmp_path: Path) -> None:
    images = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(read_idx(idx(images), "x"), images)
    good = idx(images)
    for bad in (b"", b"\0\0", good[:-1], good + b"\0", b"\x89PNG" + good, good[:5]):
        with pytest.raises(InputError, match="no IDX file"):
            read_idx(bad, "x")


def test_mnist_of_four_plain_files(tmp_path: Path) -> None:
    for name in FILES:
        n = 3 if name.startswith("train") else 2
        array = np.zeros((n, 28, 28)) if "images" in name else np.arange(n)
        (tmp_path / name).write_bytes(idx(array))
    found = load_mnist(tmp_path)
    assert found.images.shape == (5, 28, 28)
    assert found.labels.tolist() == ["0", "1", "2", "0", "1"]
    (tmp_path / "t10k-images-idx3-ubyte").rename(tmp_path / "away")
    with pytest.raises(InputError, match=r"t10k-images-idx3-ubyte.*cannot be read"):
        load_mnist(tmp_path)
    packed = tmp_path / "t10k-images-idx3-ubyte.gz"
    packed.write_bytes(gzip.compress(idx(np.zeros((2, 28, 28)))))
    with pytest.raises(InputError, match=r"has MD5 .*, the published file has 9fb629c4"):
        load_mnist(tmp_path)


def test_the_small_mnist_says_that_it_is_one() -> None:
    found = load_mnist_5k()
    assert found.images.shape == (5000, 28, 28)
    assert "5,000" in found.stand_in


def test_xray_from_folders_and_from_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, n in (("empty", 3), ("non-empty", 2)):
        (tmp_path / name / "deep").mkdir(parents=True)
        for i in range(n):
            image = rng.integers(0, 256, (30, 90), np.uint8)
            Image.fromarray(image).save(tmp_path / name / "deep" / f"{i}.png")
    (tmp_path / "empty/bad.png").write_bytes(b"")
    found = load_xray(tmp_path)
    assert found.images.shape == (5, 9, 32)
    assert found.labels.tolist() == ["empty"] * 3 + ["non-empty"] * 2
    assert "1 file could not be read" in found.found
    file = tmp_path / "x.npz"
    np.savez(file, **{"empty": found.images[:3], "non-empty": found.images[3:]})
    np.testing.assert_array_equal(load_xray(file).images, found.images)
    np.savez(file, empty=found.images[:3])
    with pytest.raises(InputError, match=r"Expected a \.npz with the arrays empty and non-empty"):
        load_xray(file)
    np.savez(file, **{"empty": found.images[:, :5], "non-empty": found.images})
    with pytest.raises(InputError, match=r"empty is uint8 of shape \(5, 5, 32\)"):
        load_xray(file)
    with pytest.raises(
        InputError, match=r"no readable image of class empty\. Expected the folders"
    ):
        load_xray(tmp_path / "empty")
    with pytest.raises(
        InputError,
        match=r"nowhere: no such folder\. Expected the folders empty/ and non-empty/ in it, or one",
    ):
        load_xray(tmp_path / "nowhere")
    np.savez(file, **{"empty": found.images / 255, "non-empty": found.images})
    with pytest.raises(InputError, match="make them uint8"):
        load_xray(file)


def damaged_arrays() -> dict[str, bytes]:
    file = io.BytesIO()
    np.savez_compressed(file, **dict.fromkeys(("empty", "non-empty"), np.zeros((9, 9, 32), "u1")))
    whole, single, objects = file.getvalue(), io.BytesIO(), io.BytesIO()
    np.save(single, np.zeros((9, 9, 32), "u1"))
    np.savez(objects, **dict.fromkeys(("empty", "non-empty"), np.array([None])))
    return {
        "nothing": b"",
        "text": b"empty",
        "cut": whole[:-30],
        "turned": whole.replace(whole[60:90], bytes(30)),
        "one array": single.getvalue(),
        "objects": objects.getvalue(),
    }


@pytest.mark.parametrize("damage", damaged_arrays())
def test_a_wrong_npz_is_one_sentence(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "x.npz"
    file.write_bytes(damaged_arrays()[damage])
    with pytest.raises(InputError, match=r"x\.npz: cannot be read .* Expected a \.npz"):
        load_xray(file)


def test_faces_are_read_in_depth(tmp_path: Path) -> None:
    for name in ("male/a", "female/b"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (250, 250), (10, 20, 30)).save(tmp_path / name / "1.jpg")
    found = load_faces(tmp_path)
    assert found.images.shape == (2, 100, 100)
    assert found.labels.tolist() == ["male", "female"]
    with pytest.raises(InputError, match=r"male/ and female/ in it, or the sex .* --sexes FILE"):
        load_faces(tmp_path / "male")
    (tmp_path / "sexes.csv").write_text("a,m\nc,f\n", encoding="utf-8")
    (tmp_path / "female/b").rename(tmp_path / "male/c")
    assert load_faces(tmp_path / "male", tmp_path / "sexes.csv").labels.tolist() == [
        "male",
        "female",
    ]


class TestFacesWithAList:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        for i, name in enumerate(("Ann", "Bob Lee", "0007", "Eve")):
            (tmp_path / "faces" / name / "deep").mkdir(parents=True)
            for k in range(i + 1):
                image = Image.new("L", (50, 50), 10 * i)
                image.save(tmp_path / "faces" / name / "deep" / f"{k}.png")
        return tmp_path

    @pytest.mark.parametrize(
        "text",
        [
            "Ann,f\nBob Lee,m\n0007,m\n",
            "identity,sex\nAnn, F\n# a comment\n\n0007, 1\nBob Lee, male\nAnn,female\n",
            '"Ann","0"\r\n"Bob Lee","Male"\r\n0007 m\r\nNobody f\r\n',
            "\ufeffAnn\tfemale\n0007\tM\nBob Lee,1",
        ],
    )
    def test_lists(self, place: Path, text: str) -> None:
        (place / "s.csv").write_bytes(text.encode())
        found = load_faces(place / "faces", place / "s.csv")
        assert found.labels.tolist() == ["male"] * 5 + ["female"]
        assert found.images.mean(axis=(1, 2)).tolist() == [20] * 3 + [10] * 2 + [0]
        assert "5 male, 1 female" in found.found
        assert f"1 identities without a sex in {place / 's.csv'} are left out, such as Eve" in (
            found.found
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("Ann f\nBob x\n", "line 2: 'Bob x'; expected an identity and m, f, male"),
            ("Ann f\n\nBob Lee m\n", "line 3: 'Bob Lee m'"),
            ("Ann\n", "line 1: 'Ann'"),
            (",m\n", "line 1: ',m'"),
            ("Ann,f\nsex\n", "line 2: 'sex'"),
            ("Ann,f\nAnn,m\n", "line 2: 'Ann' is male here and was female before"),
        ],
    )
    def test_wrong_lines_are_told_by_their_number(
        self, place: Path, text: str, message: str
    ) -> None:
        (place / "s.csv").write_text(text)
        with pytest.raises(InputError, match=re.escape(message)):
            load_faces(place / "faces", place / "s.csv")

    def test_other_mistakes(self, place: Path) -> None:
        with pytest.raises(InputError, match=r"none\.csv: cannot be read as text"):
            load_faces(place / "faces", place / "none.csv")
        (place / "s.csv").write_bytes(b"\xff\xfe\0")
        with pytest.raises(InputError, match=r"s\.csv: cannot be read as text"):
            load_faces(place / "faces", place / "s.csv")
        (place / "s.csv").write_text("Ann f\n")
        with pytest.raises(InputError, match=r"class male\. Expected a folder"):
            load_faces(place / "faces", place / "s.csv")
        with pytest.raises(InputError, match=r"nowhere: no such folder\. Expected a folder"):
            load_faces(place / "nowhere", place / "s.csv")


def packed_mnist() -> dict[str, bytes]:
    """Four small files of the right names."""
    contents = {}
    for name in FILES:
        n = 3 if name.startswith("train") else 2
        array = np.zeros((n, 28, 28)) if "images" in name else np.arange(n)
        contents[f"{name}.gz"] = gzip.compress(idx(array), mtime=0)
    return contents


class Mirror(ThreadingHTTPServer):
    """Serves some files by their name and counts what is asked for."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), MirrorHandler)
        self.contents = contents
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mnist/"


class MirrorHandler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        name = self.path.removeprefix("/mnist/")
        self.server.asked.append(name)
        content = self.server.contents.get(name)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


class TestMnistDownload:
    @pytest.fixture
    def mirrors(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Mirror]]:
        """One without files, one with damaged ones, and a good one."""
        good = packed_mnist()
        for name, content in good.items():
            md5 = hashlib.md5(content).hexdigest()
            monkeypatch.setitem(FILES, name.removesuffix(".gz"), md5)
        kinds = ({}, dict.fromkeys(good, b"<html>"), good)
        with ExitStack() as stack:
            found = [stack.enter_context(Mirror(contents)) for contents in kinds]
            for mirror in found:
                thread = threading.Thread(target=mirror.serve_forever, args=(0.01,))
                thread.start()
                stack.callback(thread.join)
                stack.callback(mirror.shutdown)
            yield found

    def test_a_mirror_that_fails_leads_to_the_next(
        self, mirrors: list[Mirror], tmp_path: Path
    ) -> None:
        fetch_mnist(tmp_path / "m", mirrors=[mirror.url for mirror in mirrors])
        assert load_mnist(tmp_path / "m").labels.tolist() == ["0", "1", "2", "0", "1"]
        assert [len(mirror.asked) for mirror in mirrors] == [1, 1, 4]
        fetch_mnist(tmp_path / "m", mirrors=[mirror.url for mirror in mirrors])
        assert [len(mirror.asked) for mirror in mirrors] == [1, 1, 4]

    def test_all_failing_names_each(self, mirrors: list[Mirror], tmp_path: Path) -> None:
        urls = [mirror.url for mirror in mirrors[:2]]
        with pytest.raises(DownloadError, match="none of 2 mirrors gave train-images") as error:
            fetch_mnist(tmp_path / "m", mirrors=urls)
        assert f"{urls[0]}train-images-idx3-ubyte.gz: the server answers 404" in str(error.value)
        assert f"{urls[1]}train-images-idx3-ubyte.gz: what came has MD5" in str(error.value)
        assert "--mnist FOLDER" in str(error.value)

    def test_the_command_downloads_and_the_next_one_finds_it(
        self, mirrors: list[Mirror], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setitem(fetch_mnist.__kwdefaults__, "mirrors", [m.url for m in mirrors])
        words = ["paper", "--tasks", "2", "--representation", "greyscale"]
        for more in (["--mnist", "download"], []):
            # The five digits that the mirror has are loaded, and are too few.
            with pytest.raises(InputError, match="0 normal and 3 anomalous images are too few"):
                cli.main([*words, *more], standalone_mode=False)
        assert len(mirrors[2].asked) == 4
        assert len(list((tmp_path / "oneclass/mnist").glob("*.gz"))) == 4

    def test_an_earlier_download_is_used(self, mirrors: list[Mirror], tmp_path: Path) -> None:
        assert len(find_mnist(tmp_path).images) == 5000
        fetch_mnist(tmp_path, mirrors=[mirrors[2].url])
        assert len(find_mnist(tmp_path).images) == 5
        (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
        assert len(find_mnist(tmp_path).images) == 5000


class TestSimulatedXray:
    @pytest.mark.parametrize("seed", range(3))
    def test_the_seed_decides_everything(self, seed: int) -> None:
        one, again = (simulated.load_simulated_xray(seed=seed, n_each=12) for _ in range(2))
        assert one.images.shape == (24, 9, 32)
        assert one.images.dtype == np.uint8
        assert one.labels.tolist() == ["empty"] * 12 + ["non-empty"] * 12
        assert one.simulated
        np.testing.assert_array_equal(one.images, again.images)
        other = simulated.load_simulated_xray(seed=seed + 1, n_each=12)
        assert (one.images != other.images).mean() > 0.5

    @pytest.mark.parametrize(("steel", "water"), [(0, 0), (3.9, 0), (0, 100), (20, 50)])
    def test_a_slab_weakens_the_beam_as_beer_and_lambert_say(
        self, steel: float, water: float
    ) -> None:
        grid = np.ones((simulated.Y * simulated.X).shape)
        found = simulated.transmission(simulated.Scene(steel * grid, water * grid))
        # 2 MeV, cm2/g: iron 0.04265, water 0.04942 (NIST)
        expected = np.exp(-0.04265 * steel) * np.exp(-0.04942 * water)
        np.testing.assert_allclose(found, expected, rtol=0.003)

    def test_a_pixel_adds_up_light_and_not_matter(self) -> None:
        steel = np.zeros((simulated.Y * simulated.X).shape)
        steel[:, ::2] = 1e9  # half of each pixel is shut
        found = simulated.transmission(simulated.Scene(steel, 0 * steel))
        np.testing.assert_allclose(found, 0.5)

    @pytest.mark.parametrize("seed", range(30))
    def test_cargo_only_ever_weakens_the_beam(self, seed: int) -> None:
        empty, loaded = (
            simulated.transmission(make(np.random.default_rng(seed)))
            for make in (simulated.empty_container, simulated.loaded_container)
        )
        assert (loaded <= empty).all()
        assert (loaded < empty).any()
        assert loaded.min() >= 0
        assert empty.max() < 1

    def test_the_noise_is_that_of_counted_photons(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(simulated, "PHOTONS", 100.0)
        shape = (simulated.Y * simulated.X).shape
        scene = simulated.Scene(np.full(shape, 30.0), np.zeros(shape))
        rng = np.random.default_rng(0)
        shots = np.stack([simulated.photograph(scene, rng) for _ in range(400)]) / 250
        share = np.exp(-0.04265 * 30)
        assert shots.mean() == pytest.approx(share, rel=0.01)
        assert shots.std(axis=0).mean() == pytest.approx((share / 100) ** 0.5, rel=0.05)
