"""What was not scored, was learnt or has drifted does not pass without a word."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest

from oneclass.detector.predictions import Prediction, Predictions, told_learnt
from oneclass.errors import ImageError, InputError

GOOD = tuple(Prediction(f"{n}.png", -0.1 * n, 0.5, False) for n in range(3))
BROKEN = (ImageError("broken.png", "damaged", "it ends too early"), ImageError("b", "empty", "no"))


def test_a_loop_to_its_end_warns_once_and_names_the_first() -> None:
    predictions = Predictions(GOOD, BROKEN)
    with pytest.warns(UserWarning, match=r"2 images were not scored.*broken\.png") as caught:
        assert [p.path for p in predictions] == ["0.png", "1.png", "2.png"]
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tuple(predictions) == GOOD


def test_one_that_is_missing() -> None:
    with pytest.warns(UserWarning, match="1 image was not scored and is not among"):
        list(Predictions((), BROKEN[:1]))


def test_scores_without_those_of_some_images_do_not_pass_for_those_of_all() -> None:
    predictions = Predictions(GOOD, BROKEN)
    with pytest.warns(UserWarning, match=r"not those of the images: go by \.path") as caught:
        assert predictions.scores.tolist() == [p.score for p in GOOD]
    assert [one.filename for one in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(predictions.scores) == len(list(predictions)) == 3  # it has been said
        assert len(Predictions(GOOD).scores) == 3


def test_learnt_images_and_drift_are_told_at_the_end_of_a_loop_too() -> None:
    found = Predictions(GOOD, BROKEN, drift="drift: odder.", learnt=told_learnt(["0.png", "1.png"], 3))
    with pytest.warns(UserWarning) as caught:  # noqa: PT030 -- there are three
        assert [p.path for p in found] == ["0.png", "1.png", "2.png"]
    missing, learnt, drift = (str(one.message) for one in caught)
    assert missing.startswith("2 images were not scored")
    assert learnt.startswith("2 of these 3 images are ones that the model learnt from")
    assert "their verdicts prove nothing" in learnt
    assert drift == "drift: odder."
    assert {one.filename for one in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(found.scores) == len(list(found)) == 3  # it has been said


def test_what_is_whole_or_not_gone_through_says_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tuple(Predictions(GOOD)) == GOOD
        predictions = Predictions(GOOD, BROKEN)
        assert predictions[0] == next(iter(predictions))
        assert len(predictions) == 3
        assert predictions == Predictions(GOOD, BROKEN)
        assert pickle.loads(pickle.dumps(predictions)).predictions == GOOD
        assert len(copy.deepcopy(predictions).errors) == 2


def test_there_are_no_scores_where_nothing_was_scored() -> None:
    with pytest.raises(InputError, match=r"none of 2 images could be scored.*broken\.png"):
        _ = Predictions((), BROKEN).scores
    assert len(Predictions(()).scores) == 0
