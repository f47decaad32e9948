"""Which model scored a run, where the one that was given did not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from oneclass.detector.files import modelfile
from oneclass.errors import ModelFileError
from oneclass.results.runs import Run
from oneclass.system.files import previous
from oneclass.system.host.portable import as_typed


def of_another(run: Run, folder: Path, model: Path) -> str:
    """A sentence that names the model of a run, where it lies, and what to do.

    Args:
        run: that another model than `model` has scored.
        folder: of the run.
        model: that was given.
    """
    scored = run.record.get("model_sha256")
    if _digest(previous(model)) == scored:
        return (
            f"{folder}: was scored before {model} was written anew. Score again with it, or "
            f"give {previous(model)}, which is the model as it was then."
        )
    words = [word for word in run.record.get("command", []) if isinstance(word, str)]
    for word in words:
        for file in (_seen_from_here(run, word), previous(_seen_from_here(run, word))):
            if _digest(file) == scored:
                again = as_typed(["oneclass", "report", str(file), str(folder)])
                return (
                    f"{folder}: was scored with {file} and not with {model}. "
                    f"Try: {again} (or score again with {model})."
                )
    return (
        f"{folder}: was scored with another model than {model}, by: "
        f"{as_typed(['oneclass', *words])}. That model is not there any more as it was then; score "
        f"again with {model} (-o {folder})."
    )


def _seen_from_here(run: Run, word: str) -> Path:
    """A file of the command that scored: as it was named, or as seen from where that was."""
    here, there = Path(word), run.folder / word
    return there if there != here and not here.exists() else here


def _digest(file: Path) -> str | None:
    """The digest of a model file; None of what is none."""
    with suppress(ModelFileError):
        if modelfile.is_model(file):
            return modelfile.read(file)[2]
    return None
