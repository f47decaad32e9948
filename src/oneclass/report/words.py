"""The words of tables of labels: which mean normal, which an anomaly, and which say nothing."""

from __future__ import annotations

import difflib
import re

NORMAL, ANOMALY = "normal", "anomaly"
NO, YES = frozenset({"0", "false", "no", "negative"}), frozenset({"1", "true", "yes", "positive"})
"""Answers to the question whether it is an anomaly."""
NORMAL_WORDS = NO | frozenset(
    {"normal", "good", "ok", "okay", "fine", "pass", "passed", "accept", "accepted", "clean"}
    | {"good part", "good parts", "no defect", "no defects", "defect free", "without defect"}
    | {"no anomaly", "no anomalies", "not defective", "non defective", "not anomalous"}
    | {"i.o.", "i.o", "io", "in ordnung", "gut", "gutteil", "gutteile", "fehlerfrei"}
    | {"bon", "bonne", "conforme", "sans défaut", "sans défauts"}
    | {"bueno", "buena", "sin defecto", "sin defectos"}
    | {"buono", "buona", "senza difetto", "senza difetti"}
)
ANOMALY_WORDS = YES | frozenset(
    {"anomaly", "anomalous", "anomalies", "abnormal", "bad", "bad part", "bad parts", "not good"}
    | {"defect", "defects", "defective", "ng", "nok", "not ok", "no good", "not normal", "unclean"}
    | {"fail", "failed", "reject", "rejected", "not accepted", "not clean"}
    | {"n.i.o.", "n.i.o", "nio", "nicht in ordnung", "nicht gut", "schlecht", "schlechtteil"}
    | {"schlechtteile", "defekt", "mauvais", "mauvaise", "non conforme", "no conforme"}
    | {"malo", "mala", "defectuoso", "defectuosa", "no bueno", "non buono"}
    | {"cattivo", "cattiva", "difettoso", "difettosa"}
)
"""Anomalies of no kind; any other name of a defect is the kind of an anomaly."""
NOBODY_KNOWS = frozenset(
    {"maybe", "perhaps", "unclear", "undefined", "unknown", "unlabeled", "unlabelled", "unsure"}
    | {"not known", "unbekannt", "unklar", "inconnu", "desconocido", "sconosciuto"}
)
"""Long enough that one of them can be told where it was mistyped."""
NO_WORDS = NOBODY_KNOWS | frozenset(
    {"", "n/a", "n.a.", "n.a", "#n/a", "na", "nan", "none", "null", "skip", "test", "todo", "train"}
)
"""What stands in tables where nobody knows, or where something else is told."""
NEAR = 0.8
"""So like a word that is known, as difflib counts, that it may be that one, mistyped."""
MOST_NEAR = 3
"""So many of those are named."""
SHORT = {"gd": "good"}
"""What may be short for a word for normal."""
ONE_SLIP = 4
"""Letters from which on a word with one letter more or less, or two turned round, is near."""
LETTERS = 2
"""So many at least has the name of a defect."""


def meaning(word: str) -> str:
    """`NORMAL`, `ANOMALY`, or the kind of anomaly that a word in small letters names.

    Raises:
        ValueError: it names none.
    """
    plain = " ".join(re.split(r"[\s_-]+", word)).strip()
    if not any(map(str.isalpha, plain)):  # -1 is not 1
        plain = word
    if word in NORMAL_WORDS or plain in NORMAL_WORDS:
        return NORMAL
    if word in ANOMALY_WORDS or plain in ANOMALY_WORDS:
        return ANOMALY
    nothing = {word, plain, plain.replace(" ", "")} & NO_WORDS
    near = [] if nothing else _near(plain, NORMAL_WORDS) or _near(plain, NOBODY_KNOWS)
    # A letter alone may stand for anything, and G and B for the opposite.
    if near or nothing or sum(map(str.isalpha, word)) < LETTERS:
        words = " or ".join(filter(None, (", ".join(near[:-1]), *near[-1:])))
        hint = f" Did you mean {words}?" if near else ""
        if word == "-1":
            hint = " Where scikit-learn says 1 and -1, write good and bad."
        raise ValueError(
            f"{word!r} is no label.{hint} Expected a word for normal images such as good, one for "
            "anomalies such as bad, or the name of a defect such as scratch: 'oneclass report "
            "--help' lists the words. Leave out the lines of images that nobody judged."
        )
    return word


def _near(word: str, words: frozenset[str]) -> list[str]:
    """Of some words those that may have been meant by one that is none, the nearest first."""
    if SHORT.get(word) in words:
        return [SHORT[word]]
    # Of as many words: defectos are none that someone forgot to call sin defectos.
    known = sorted(one for one in words if one.count(" ") == word.count(" "))
    near = difflib.get_close_matches(word, known, n=MOST_NEAR, cutoff=NEAR)
    slips = [one for one in known if _one_slip(word, one)]
    return list(dict.fromkeys([*near, *slips]))[:MOST_NEAR]


def _one_slip(word: str, known: str) -> bool:
    """Whether one letter too many or too few, or two turned round, made the one of the other.

    Not another letter: a line is not fine, nor a cut gut.
    """
    longer, shorter = sorted((word, known), key=len, reverse=True)
    if len(known) < ONE_SLIP:
        return False
    if len(longer) == len(shorter) + 1:
        return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
    turned = (word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1))
    return known in turned
