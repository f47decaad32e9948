"""ONNX Runtime on a CUDA device: taken where it works, and one sentence where it does not."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from oneclass.system.host import cuda

CPU = "CPUExecutionProvider"


class Package:
    """Stands for onnxruntime-gpu."""

    def __init__(self, *, gives: list[str], fails: str = "", prints: str = "") -> None:
        self.gives, self.fails, self.prints = gives, fails, prints
        self.severities: list[int] = []
        self.asked: dict[str, Any] = {}

    def get_available_providers(self) -> list[str]:
        return [cuda.CUDA, CPU]

    def preload_dlls(self) -> None:
        if self.prints:
            print(self.prints)

    def set_default_logger_severity(self, severity: int) -> None:
        self.severities.append(severity)

    def InferenceSession(  # noqa: N802 -- the package's name
        self, model: bytes, options: object, **asked: Any
    ) -> object:
        self.asked = asked
        if self.fails:
            raise RuntimeError(self.fails)
        return SimpleNamespace(get_providers=lambda: self.gives)


@pytest.fixture(autouse=True)
def nothing_told_yet() -> None:
    cuda._tell.cache_clear()


def test_a_device_that_works_is_taken_in_float32_and_never_left_without_a_word() -> None:
    package = Package(gives=[cuda.CUDA, CPU])
    session = cuda.cuda_session(package, b"", None)
    assert session is not None
    assert package.asked["providers"][0] == (cuda.CUDA, {"use_tf32": 0})
    assert package.asked["enable_fallback"] == 0


@pytest.mark.parametrize(
    "package",
    [
        Package(gives=[CPU], prints="Failed to load libcublas.so.13: no such file\nmore"),
        Package(gives=[], fails="CUDA failure 100:\n no CUDA-capable device is detected"),
    ],
    ids=["libraries missing", "no device"],
)
def test_where_it_does_not_work_one_sentence_is_said_and_nothing_on_standard_output(
    package: Package, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert cuda.cuda_session(package, b"", None) is None
    assert len(caplog.messages) == 1
    told = caplog.messages[0]
    assert "libcublas.so.13" in told or "no CUDA-capable device" in told
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]'" in told
    assert "\n" not in told
    assert capfd.readouterr().out == ""
    assert package.severities[-1] == cuda.WARNING


def test_the_plain_package_is_not_asked() -> None:
    package = SimpleNamespace(get_available_providers=lambda: [CPU])
    assert cuda.cuda_session(package, b"", None) is None
