"""The database: migrations, what is kept for how long, the table of it all, and many rows."""

from __future__ import annotations

import csv
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass.errors import InputError, MissingDependencyError, StorageError
from oneclass.serve.records import export, retention, summaries
from oneclass.serve.records.database import FILE, Database, only_server
from oneclass.serve.records.migrations import MIGRATIONS
from oneclass.serve.records.predictions import LAST_OF, Filter, Made, Predictions
from oneclass.serve.records.reviews import Reviews
from oneclass.serve.records.versions import Versions
from oneclass.serve.records.watches import Watches
from oneclass.serve.web.problems import of_error
from oneclass.system.files import UnwritableError
from serving import Place

CARD = {"false_alarms": 0.05, "calibration": {"lowest_false_alarms": 0.01}}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(tmp_path)
    Versions(made).add("parts", 1, "ab", CARD, origin="fit")
    return made


def made(i: int, **more: object) -> Made:
    one = Made(1, "api", f"{i}.png", f"{i:064x}", i / 7, 0.5, False, 0.05, time.time(), 0.01)
    return replace(one, **more)  # type: ignore[arg-type]


def test_a_place_that_cannot_be_opened_is_no_full_disk(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(
        UnwritableError,
        match=r"whether it is a file.*cannot be read either; or give another --data",
    ):
        Database(tmp_path)


def test_a_database_that_may_not_be_written_is_no_full_disk(database: Database) -> None:
    database._connection().execute("PRAGMA query_only = ON")
    with pytest.raises(
        UnwritableError, match=r"cannot use .*attempt to write a readonly"
    ) as caught:
        Watches(database).add("line", "parts", webhook=None, only_odd=False)
    told = json.loads(bytes(of_error(caught.value).body))
    assert told["error"] == "not_writable"
    assert told["message"].startswith(f"the server cannot use {database.path}: attempt")


def test_a_database_of_another_program_is_no_full_disk(tmp_path: Path) -> None:
    """Its tables are not there, which SQLite tells as it tells a disk that fails."""
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("CREATE TABLE theirs (a)")
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(InputError, match=r"no database of oneclass, or damaged.*put a copy back"):
        Versions(Database(tmp_path)).serving()


def test_a_file_is_brought_up_to_date_once(tmp_path: Path) -> None:
    for _ in range(2):
        database = Database(tmp_path)
        assert database.value("PRAGMA user_version") == len(MIGRATIONS)
        assert database.value("PRAGMA journal_mode") == "wal"
        database.close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match="newer oneclass"):
        Database(tmp_path)


@pytest.mark.linux
@pytest.mark.parametrize("begin", [lambda folder: only_server(folder).__enter__(), Database])
def test_a_data_folder_that_cannot_be_made_is_no_bug(begin: Callable[[Path], Any]) -> None:
    with pytest.raises(InputError, match=r"cannot write /proc/there: .* Give a place that exists"):
        begin(Path("/proc/there"))


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough" * 100)
    with pytest.raises(InputError, match="put a copy back"):
        Database(tmp_path)


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    predictions = Predictions(database)

    def fail() -> None:
        with database.write() as connection:
            predictions.add(made(1), connection)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert database.value("SELECT count(*) FROM prediction") == 0
    assert database.value("SELECT count(*) FROM hour") == 0


def test_a_full_disk_damages_nothing(database: Database) -> None:
    predictions = Predictions(database)
    with database.write() as connection:
        predictions.add(made(0), connection)
    pages = database.value("PRAGMA page_count")
    with database.write() as connection:
        pass
    connection.execute(f"PRAGMA max_page_count = {pages + 3}")

    def fill() -> None:
        for i in range(10_000):
            with database.write() as connection:
                predictions.add(made(i), connection)

    with pytest.raises(StorageError, match="full"):
        fill()
    n = database.value("SELECT count(*) FROM prediction")
    assert n == database.value("SELECT sum(images + again) FROM hour") > 1
    assert database.value("PRAGMA integrity_check") == "ok"
    connection.execute("PRAGMA max_page_count = 1000000")
    with database.write() as connection:
        predictions.add(made(1), connection)
    assert database.value("SELECT count(*) FROM prediction") == n + 1


def test_old_predictions_go(database: Database) -> None:
    predictions = Predictions(database)
    with database.write() as connection:
        for i in range(50):
            predictions.add(made(i, at=1000.0 + i), connection)
    assert retention.forget_predictions(database, 1030.0) == 30
    assert [row["at"] for row in predictions.listed(Filter())][-1] == 1030.0


def test_images_go_with_the_last_prediction_on_them(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sorted((images / "odd").iterdir())[:2]
    database, keeping = place.service.database, place.service.keeping
    for file in (first, second):
        place.score(file)
    later = time.time()
    place.score(first)  # which came again since
    monkeypatch.setattr(retention, "ORPHAN", -1.0)
    assert retention.forget_predictions(database, later) == 2
    assert retention.forget_orphans(database, keeping.folder) == 1
    [row] = database.rows("SELECT * FROM prediction")
    assert [file for file in keeping.folder.glob("??/*") if file.is_file()] == [
        keeping.place(row["image"])
    ]
    assert retention.images_bytes(database) == first.stat().st_size
    assert place.client.get(f"/api/v1/predictions/{row['id']}").json()["image_kept"] is True


def test_old_normal_images_go_before_odd_ones(place: Place, images: Path) -> None:
    for folder in ("odd", "normal"):
        for file in sorted((images / folder).iterdir()):
            place.score(file)
    database, keeping = place.service.database, place.service.keeping
    total = database.value("SELECT sum(bytes) FROM image")
    assert retention.forget_images(database, keeping.place, total) == 0
    odd = database.value("SELECT sum(bytes) FROM image WHERE odd = 1")
    retention.forget_images(database, keeping.place, odd)
    left = {row["image"]: row for row in database.rows("SELECT * FROM prediction")}
    for sha256, row in left.items():
        assert keeping.place(sha256).exists() == bool(row["is_anomaly"])
    assert place.client.get("/api/v1/predictions").json()["predictions"][0]["image_kept"] is False
    assert place.client.get("/score").status_code == 200
    stray = keeping.folder / "ab" / ("c" * 62)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    assert retention.forget_orphans(database, keeping.folder) == 0  # it may be on its way
    retention.ORPHAN, before = -1.0, retention.ORPHAN
    try:
        assert retention.forget_orphans(database, keeping.folder) == 1
    finally:
        retention.ORPHAN = before


def test_the_table_holds_every_prediction(place: Place, images: Path, tmp_path: Path) -> None:
    answers = [place.score(file).json() for file in sorted(images.glob("*/*.png"))]
    done = oneclass("serve", "export", tmp_path / "all.csv", "--data", place.service.settings.data)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == export.COLUMNS
    for row, answer in zip(rows, answers, strict=True):
        one = answer["predictions"][0]
        assert float(row["score"]) == one["score"]
        assert float(row["p_value"]) == one["p_value"]
        assert row["is_anomaly"] == str(one["is_anomaly"]).lower()
        assert row["model_sha256"] == answer["model_sha256"]


def test_a_table_over_another_says_so_and_over_something_else_is_not_written(
    place: Place, images: Path, tmp_path: Path
) -> None:
    place.score(next(images.glob("*/*.png")))
    file = tmp_path / "all.csv"
    asked = ("serve", "export", file, "--data", place.service.settings.data)
    assert "before" not in oneclass(*asked).stderr
    again = oneclass(*asked)
    assert again.returncode == 0
    assert f"what was in {file} before, a table, was replaced." in again.stderr
    file.write_text("part;weight\n1;2\n", encoding="utf-8")
    refused = oneclass(*asked)
    assert refused.returncode == 2
    assert "what is there already is no exported table, and would be lost" in refused.stderr
    assert file.read_text(encoding="utf-8") == "part;weight\n1;2\n"


def test_a_mistyped_folder_or_ending_gives_no_empty_table(place: Place, tmp_path: Path) -> None:
    data = place.service.settings.data
    for words in (("export", tmp_path / "t.csv"), ("token", "list"), ("token", "remove", "x")):
        done = oneclass("serve", *words, "--data", tmp_path / "nowhere")
        assert done.returncode == 2
        assert f"no server has kept anything in {tmp_path / 'nowhere'}" in done.stderr
        assert "give --data FOLDER" in done.stderr
    done = oneclass("serve", "export", tmp_path / "t.txt", "--data", data)
    assert (done.returncode, "t.txt: expected a name that ends in .csv" in done.stderr) == (2, True)
    assert not list(tmp_path.glob("[nt]*"))
    assert "token add NAME" in oneclass("serve", "token", "list", "--data", data).stderr


def test_a_token_is_not_added_to_a_folder_that_nobody_named(tmp_path: Path) -> None:
    """In the wrong folder it would be a new server's, and its message would name none."""
    done = oneclass("serve", "token", "add", "line-3", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no server has kept anything in {tmp_path / 'oneclass-data'}" in done.stderr
    assert "oneclass serve token add line-3 --data oneclass-data" in done.stderr
    assert list(tmp_path.iterdir()) == []
    for given, told in (("90d", "90d"), ("0.5d", "12h"), ("90min", "90min"), ("1.5s", "1.500000s")):
        asked = ("--scope", "score", "--scope", "read", "--expires")
        done = oneclass("serve", "token", "add", "line-3", *asked, given, cwd=tmp_path)
        assert f"line-3 --data oneclass-data {' '.join(asked)} {told}\n" in done.stderr

    named = ("serve", "token", "add", "line-3", "--data", "oneclass-data")
    done = oneclass(*named, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("oneclass_")
    assert f"{tmp_path / 'oneclass-data'} was made" in done.stderr
    done = oneclass("serve", "token", "add", "ann", cwd=tmp_path)
    assert done.returncode == 0, "it is there now"
    assert f"opens the server that keeps everything in {tmp_path / 'oneclass-data'}" in done.stderr
    assert "was made" not in done.stderr


def test_a_folder_is_of_one_server_for_as_long_as_it_lives(tmp_path: Path) -> None:
    with only_server(tmp_path / "data"):
        second = only_server(tmp_path / "data")
        with pytest.raises(InputError, match=r"--data is .*data: another server"):
            second.__enter__()
        with only_server(tmp_path / "other"):
            Database(tmp_path / "data").close()  # a table may be written meanwhile
    with only_server(tmp_path / "data"):
        pass


def test_parquet_needs_its_package_or_holds_the_same(
    place: Place, images: Path, tmp_path: Path
) -> None:
    place.score(next((images / "odd").iterdir()))
    file = tmp_path / "all.parquet"
    try:
        import pyarrow.parquet
    except ImportError:
        with pytest.raises(MissingDependencyError, match=r"pip install .*(pyarrow|parquet)"):
            export.export(place.service.database, file)
        assert not file.exists()
        return
    assert export.export(place.service.database, file) == 1
    [row] = pyarrow.parquet.read_table(file).to_pylist()
    assert row["is_anomaly"] is True


def test_the_list_of_tokens_says_which_have_expired(tmp_path: Path) -> None:
    data = ("--data", tmp_path / "data")
    for name, ends in (("old", "0.001s"), ("new", "90d"), ("ann", None)):
        expires = () if ends is None else ("--expires", ends)
        assert oneclass("serve", "token", "add", name, "--scope", "read", *expires, *data).stdout
    old, new, ann = oneclass("serve", "token", "list", *data).stdout.splitlines()
    assert old.startswith("old: read; last used never, expired ")
    assert new.startswith("new: read; last used never, until ")
    assert ann == "ann: read; last used never"


def test_tokens_are_made_on_the_command_line(tmp_path: Path) -> None:
    data = ("--data", tmp_path / "data")
    made = oneclass("serve", "token", "add", "line 3", "--scope", "score", *data)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("oneclass_")
    assert "without --scope read it opens no page" in made.stderr
    reader = oneclass("serve", "token", "add", "ann", "--scope", "read", *data)
    assert "opens no page" not in reader.stderr
    assert oneclass("serve", "token", "remove", "ann", *data).returncode == 0
    told = oneclass("serve", "token", "add", "--help").stdout
    assert "since every page needs read" in " ".join(told.split())
    listed = oneclass("serve", "token", "list", *data)
    assert listed.stdout == "line 3: score; last used never\n"
    assert oneclass("serve", "token", "remove", "line 3", *data).returncode == 0
    assert oneclass("serve", "token", "list", *data).stdout == ""
    assert oneclass("serve", "token", "remove", "line 3", *data).returncode == 2


@pytest.mark.slow
def test_five_million_predictions_stay_quick_to_browse(
    tmp_path: Path, database: Database, start: Callable[..., Place]
) -> None:
    n = 5_000_000
    with database.write() as connection:
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO prediction (at, version_id, source, path, image, score, p_value, "
            "is_anomaly, is_unclear, false_alarms, seconds, review) SELECT i * 10.0, 1, "
            "CASE i % 3 WHEN 0 THEN 'api' ELSE 'watch:1' END, i || '.png', "
            "printf('%08x%056x', i * 2654435761 % 4294967296, i), "
            "i / 7.0, 0.5, i % 20 = 0, i % 20 = 1, 0.05, 0.01, "
            "CASE WHEN i % 40 = 0 THEN 'real' END FROM n",
            (n,),
        )
    predictions = Predictions(database)
    for chosen in (
        Filter(),
        Filter(name="parts"),
        Filter(name="parts", before=n // 2),
        Filter(name="parts", only_odd=True),
        Filter(name="parts", noticed=True),
        Filter(name="parts", noticed=True, review="none", limit=1),
        Filter(name="parts", noticed=True, review="none", limit=1, pictures=True),
        Filter(source="watch:1", before=1000),
        Filter(review="real"),
        Filter(name="parts", after=n - 5),
    ):
        with quick(0.1):
            assert predictions.listed(chosen)
    with quick(0.5):
        assert len(summaries.last(database, 1, 20_000)[0]) == 20_000
    with quick(0.5):
        assert predictions.waiting() == {"parts": n // 20 + n // 40}
    with quick(0.1):
        assert predictions.listed(Filter(name="parts", review="real", pictures=True))
    with quick(0.5):
        assert Reviews(database).counts("parts")["real"] == n // 40
    with quick(0.01):
        same = "printf('%08x%056x', ?1 * 2654435761 % 4294967296, ?1)"
        [image] = database.rows(f"SELECT {same}", (n // 2,))[0]
        found = database.row(LAST_OF, (1, image, image))
        assert found is not None
        assert found["id"] == n // 2


@contextmanager
def quick(seconds: float) -> Iterator[None]:
    """In processor time, which other programs do not count in."""
    began = time.process_time()
    yield
    took = time.process_time() - began
    assert took < seconds, took


@pytest.mark.parametrize("use", [Database, lambda folder: only_server(folder).__enter__()])
def test_a_data_folder_that_cannot_be_made_is_one_error(
    use: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*file.x: .*a place that exists"):
        use(tmp_path / "file" / "x")


@pytest.mark.parametrize("use", [Database, lambda folder: only_server(folder).__enter__()])
def test_pictures_are_no_data_folder(use: Callable[[Path], object], tmp_path: Path) -> None:
    good = tmp_path / "good"
    write_images(good, stripes(1, seed=1))
    with pytest.raises(InputError, match=r"good: there are pictures in it, such as 000\.png"):
        use(good)
    assert [file.name for file in good.iterdir()] == ["000.png"]
    Database(tmp_path / "data").close()
    write_images(tmp_path / "data", stripes(1, seed=1))  # somebody put one there
    Database(tmp_path / "data").close()
