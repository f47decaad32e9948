"""Numbers in plain words, for people who have never heard of a p-value."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from pathlib import PurePath
from typing import Any

import numpy as np

from oneclass.conformal.calibration import DEFAULT_FALSE_ALARMS, fewest_images, threshold_rank
from oneclass.serve.records.versions import Version
from oneclass.system import names
from oneclass.system.names import count, plural, unbroken

VERDICTS = {
    "real": "really odd",
    "false_alarm": "good (a false alarm)",
    "unsure": "unsure",
}
MISSED = "bad, and missed"
GOOD = "good"
LEARNT = "The model learnt from this picture as good, so its verdict proves nothing"
FOUND = {"anomaly": "odd", "unclear": "unclear", "fine": "looks good"}
OFFERED = (10, 20, 50, 100, 200, 1000)
"""Of how many good parts the page Learn lets one be called odd."""
ENOUGH = 10
"""Images to guess from how long the others will take: before the first, networks were loaded."""
_BYTES = re.compile(r""" \(it begins with b(?:'.*?'|".*?")\)""")
"""What errors on a file's content say to those who know bytes; app.js leaves out the same."""
_APART = re.compile(r"^\d{6,}-[0-9a-f]{6}-")
"""What a set puts before the name of an image: its number, and letters of chance."""
DEPTHS = {"uint8": "8 bits", "uint16": "16 bits", "float32": "fractions"}
"""How the pages call what pixels are."""
PLAINER = (
    ("fractions, taken as float32", "fractions"),
    ("are uint", "have uint"),
    *DEPTHS.items(),
    ("fit a model on such images", "learn a model from such images"),
    ("Put them in separate folders; 'oneclass check' lists them", "Give those of one alone"),
    ("'oneclass check'", "step 2 of the page Learn"),
    (" (--threads 1, in Python threads=1)", ""),
    ("or fit with at least", "or learn from at least"),
    ("the best look at patches, for one", "the best look at small spots, for one"),
    ("normal images", "good images"),
    ("; 'oneclass score MODEL IMAGES' judges with it", "; the page Models takes a model in"),
    (", and what is known of them goes to 'oneclass report --labels'", ""),
)
"""What errors say to those who type commands, and what pages say instead, one after the other;
app.js reads it in the page."""
ORIGINS = {
    "fit": "learnt from images",
    "update": "learnt what was called good in Review",
    "upload": "taken in as a file",
}
RATES_FROM = {
    "learnt": "the rate that {} was learnt for",
    "set": "the rate that was set",
    "nearest": "the nearest that {} supports to the rate that was set",
}
"""Where the rate of false alarms of a version, which is named in it, comes from; app.js says the
same of "it"."""
WHO = {"this machine": "somebody at this computer", "learning": "the server, once it had learnt"}
STAGES = {
    "learning from patches": "learning how small spots look",
    "learning from whole images": "learning how whole pictures look",
    "looking for near-copies": "looking for pictures that are nearly the same",
    "measuring how odd normal images are": "measuring how odd good images are",
    "opening the rows that were learnt": "opening what was learnt before",
}
"""What jobs say of themselves, for people who know nothing of how learning is done."""


JOB_TITLES = {
    "check": "Looking at",
    "fit": "Learning",
    "update": "Learning more about",
    "report": "Writing a report on",
}


LEARNING = ("fit", "update")
"""Jobs of which looking at images is the first part, and often the shorter one."""


def reviewed(review: str, found: str) -> str:
    """What a person said.

    Args:
        review: one of `VERDICTS`.
        found: what the model had said: anomaly, unclear or fine.
    """
    if found == "fine" and review == "real":
        return MISSED
    if found != "anomaly" and review == "false_alarm":
        return GOOD
    return VERDICTS[review]


def whom(who: str) -> str:
    """Who did something, by a name that was noted then."""
    return WHO.get(who, who)


def lacks(doing: str, scope: str) -> str:
    """That a token does not let somebody do something, and what to ask for."""
    return f"Your token is not for {doing}. Ask for one that has the scope “{scope}”."


def for_people(detail: str) -> str:
    """What is wrong, without the bytes that a file begins with, and in words of `PLAINER`."""
    told = _BYTES.sub("", detail)
    for said, plainer in PLAINER:
        told = told.replace(said, plainer)
    return told


def with_chances(told: str) -> str:
    """A sentence that has each share in per cent as the pages' menus do, too: `1 % (1 in 100)`."""

    def both(found: re.Match[str]) -> str:
        share = float(found[1]) / 100
        if not 0 < share < 1:
            return found[0]
        n = round(1 / share)
        near = n > 1 and abs(n * share - 1) < 0.008  # 1.34 % is 1 in 75, rounded up
        return f"{found[0]} ({chance(1 / n if near else share)})"

    return re.sub(r"(\d+(?:\.\d+)?)[ \u00a0]%", both, told)


def unusable(errors: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Why images could not be learnt, in the words of the pages, and which.

    Args:
        errors: `path`, `reason` and `detail` of each, as a fit tells them.
    """
    found = defaultdict[str, list[str]](list)
    for one in errors:
        why = for_people(one["detail"])
        if one["reason"] == "bit_depth":
            pixels, _, model = why.partition(", the model is for ")
            usual = next((depth for depth in DEPTHS.values() if model.startswith(depth)), model)
            why = f"{pixels}, where the others have {usual}"
        found[why].append(_APART.sub("", one["path"]))
    return {_of_several(why) if len(names) > 1 else why: names for why, names in found.items()}


def _of_several(why: str) -> str:
    """What is wrong with one file, said of more."""
    for one, more in (
        ("its ", "their "),
        ("it is cut ", "they are cut "),
        ("it has ", "they have "),
    ):
        if why.startswith(one):
            return more + why.removeprefix(one)
    return why


def other_depth(found: Mapping[str, Any]) -> list[str]:
    """The images that are not learnt, since most have another bit depth; of `CheckReport.to_json`.

    Where as many have one depth as have another, none is rarer, and nothing can be learnt.
    """
    return [path for kind in DEPTHS for path in found.get("rarer", {}).get(kind, ())]


def _on_depths(found: Mapping[str, Any]) -> str:
    """That images have several bit depths, and what comes of it."""
    depths = sorted(found["depths"].items(), key=lambda one: -one[1])
    [(usual, most), *others] = [(DEPTHS.get(dtype, dtype), n) for dtype, n in depths]
    rest = " and ".join(f"{n} {plural(n, 'has', 'have')} {depth}" for depth, n in others)
    if most == others[0][1]:
        return (
            f"{count(most, 'image')} {plural(most, 'has', 'have')} {usual} and {rest}: a model is "
            "for one bit depth, so nothing can be learnt from them together. Give those of one "
            "alone."
        )
    n = sum(n for _, n in others)
    return (
        f"{count(most, 'image')} {plural(most, 'has', 'have')} {usual}, but {rest}: a model is for "
        f"one bit depth, so {plural(n, 'that one is', 'those are')} left out of what is learnt. "
        f"Convert {plural(n, 'it', 'them')} and add {plural(n, 'it', 'them')} anew, or learn a "
        f"model of {plural(n, 'its', 'their')} own from such images."
    )


def percent(share: float) -> str:
    """`5 %`, `0.25 %`, on one line."""
    return unbroken(names.percent(share))


def promise(version: Version) -> str:
    """What a model promises, in one sentence."""
    rate = version.false_alarms
    of = next(
        (n for n in (100, 1000, 10_000) if abs(round(n * rate) / (n * rate) - 1) < 0.03), 10**9
    )
    called = round(of * rate)
    about = f"{called} {plural(called, 'is', 'are')}"
    return f"Of {of:,} good images, about {about} called odd by mistake ({chance(rate)})."


def rests_on_one(version: Version) -> str:
    """That a single image decides its threshold, in one sentence; empty where that is not so."""
    n = int(version.card["calibration"]["n_held_out"])
    if threshold_rank(n, version.false_alarms) != 1:
        return ""
    return (
        f"What it calls odd is odder than the oddest of {count(n, 'good image')}: one odd picture "
        "among them decides. More good images make it firmer."
    )


def unclear_from(version: Version) -> str:
    """Which images a version calls unclear, in one sentence; empty where it has no such verdict."""
    if version.unclear is None:
        return ""
    return (
        f"Called unclear is what is not odd at {percent(version.false_alarms)}, but would be at "
        f"{percent(version.unclear)} ({chance(version.unclear)})."
    )


def fell_short(version: Version) -> str:
    """Why a version that was asked for no rate of its own has not the usual one, if it has not."""
    usual, n_images, n = DEFAULT_FALSE_ALARMS, version.card["fit"]["n_images"], version.n_pictures
    asked = version.card.get("asked", {}).get("false_alarms", usual)
    more = fewest_images(usual) - n
    if asked is not None or version.card["false_alarms"] <= usual or more <= 0:
        return ""
    different = plural(n, "is a different picture", "are different pictures")
    only = (
        f", since of the {n_images} images only {n} {different} (the "
        f"{plural(n_images - n, 'other one counts as a copy', 'others count as copies')})"
        if n < n_images
        else f" of {count(n_images, 'image')}"
    )
    return (
        f"{percent(usual)} could not be had{only}: {count(more, 'more different picture')} "
        f"{plural(more, 'is', 'are')} needed."
    )


def chance(rate: float) -> str:
    """`1 in 20`, `3 in 20`; `about 1 in 7` where no such number is near. monitor.js says the same.

    Above a half, where that would be 1 in 1: `about 9 in 10`, `nearly all`.

    Args:
        rate: in (0, 1).
    """
    for wrong in (1e-6, 0.005):  # 3 in 100 before 2 in 67
        for n in (1, 2, 3):
            if round(n / rate) > n and abs(round(n / rate) * rate / n - 1) < wrong:
                return f"{n} in {round(n / rate):,}"
    if rate > 0.5:
        return f"about {floor(10 * rate + 0.5)} in 10" if rate < 0.95 else "nearly all"
    return f"about 1 in {round(1 / rate):,}"


def advice(found: Mapping[str, Any]) -> list[str]:
    """What a check advises, in the words of the pages.

    Args:
        found: of `CheckReport.to_json`.
    """
    told = []
    for sentence in found["advice"]:
        if "look like only" in sentence:
            n = sum(map(len, found["near_copies"]))
            told.append(
                f"At a first look, {n} of the images show nearly the same as another one. If one "
                "part was taken or saved again, that teaches nothing new: give pictures of others. "
                "If they are different parts that only look alike, leave them in. Learning looks "
                "closer: it may find more such pictures, or fewer, and counts those that it finds "
                "once."
            )
        elif "speak of defects" in sentence or "speaks of defects" in sentence:
            continue  # the page says so by the names that they were sent under
        elif "bit depths (" in sentence:
            told.append(_on_depths(found))
        elif "'oneclass fit' refuses" in sentence:
            told.append(
                f"{sentence.partition(':')[0]}: at least two different ones are needed, and 100 or "
                "more are better."
            )
        elif "no threshold can promise" not in sentence:
            told.append(sentence)
        elif found["images"] > 1:
            told.append(
                f"{count(found['images'], 'image')} can only give a first impression: with fewer "
                f"than {fewest_images(DEFAULT_FALSE_ALARMS)}, more than "
                f"{chance(DEFAULT_FALSE_ALARMS)} good parts are called odd by mistake."
            )
    return told


def short_rate(version: Version) -> str:
    """The rate of false alarms of a version, as short as a rate by which it judges alike can be.

    A p-value is one of k / (n + 1), of n held-out images, so between two of these all rates judge
    alike. One of at least three digits stays near to what is promised.
    """
    rate, n = version.false_alarms, version.card["calibration"]["n_held_out"]
    ranks = np.arange(1, n + 2) / (n + 1)
    called = np.searchsorted(ranks, rate, side="right")
    for n_digits in range(3, 17):
        unit = 10.0 ** (floor(log10(rate)) + 1 - n_digits)
        for short in (f"{rate:.{n_digits}g}", f"{ceil(rate / unit) * unit:.{n_digits}g}"):
            alike = np.searchsorted(ranks, float(short), side="right") == called
            if alike and float(short) < (version.unclear or 1):
                return short
    return str(rate)


def against(version: Version, missed: Sequence[str], learnt: Sequence[str]) -> str:
    """What is asked before a version comes into use; empty where nothing speaks against it.

    Args:
        version: that comes into use.
        missed: images that it would miss though somebody called them really odd.
        learnt: such images that it has learnt as good.
    """
    told = [
        f"Version {version.number} {what} that you called really odd: {_some(paths)}."
        for what, paths in (
            (f"would miss {count(len(missed), 'picture')}", missed),
            (f"has learnt {count(len(learnt), 'picture')} as good", learnt),
        )
        if paths
    ]
    return "\n\n".join([*told, f"Use version {version.number} all the same?"] if told else [])


def _some(paths: Sequence[str]) -> str:
    """The names of some images, and how many others there are."""
    most = len(paths) if len(paths) <= 6 else 5  # one more has room, too
    return names.some_names([*map(with_folder, paths)], most)


def missing_of(n: int, still: str = "") -> str:
    """That images of a set did not arrive, and why that may be; `still` as they are looked at."""
    return (
        f"{count(n, 'image is', 'images are')} {still}missing, since the page was left while they "
        "were sent, or there was no room for them"
    )


def when(at: float | None) -> str:
    """`today 14:05`, `3 March 14:05`."""
    if at is None:
        return "never"
    then, now = time.localtime(at), time.localtime()
    clock = time.strftime("%H:%M", then)
    if then[:3] == now[:3]:
        return f"today {clock}"
    year = "" if then.tm_year == now.tm_year else f" {then.tm_year}"
    return f"{then.tm_mday} {time.strftime('%B', then)}{year} {clock}"


def counted(job: Mapping[str, Any]) -> bool:
    """Whether a job counts images now; all of them seen says nothing of what comes after that."""
    return not job["stage"] and 0 <= job["done"] < job["total"]


def titled(job: Mapping[str, Any]) -> str:
    """`learning parts`: a job within a sentence."""
    return f"{JOB_TITLES[job['kind']].lower()} {job['name']}"


def doing(job: Mapping[str, Any]) -> str:
    """What a running job does, and how long it will take or has taken.

    Args:
        job: with `kind`, `done`, `total`, `stage`, and `started` in seconds since 1970.
    """
    done, total, passed = job["done"], job["total"], time.time() - job["started"]
    if not counted(job):
        what, comma, part = (job["stage"] or "").partition(", part ")
        stage = STAGES.get(what, what) + comma + part or (
            "looking at what was seen" if total else "starting"
        )
        return f"{stage.capitalize()}, {span(passed)} so far"
    seen = f"{done:,} of {total:,} {plural(total, 'image')}"
    if done < ENOUGH:
        return seen
    left = f"{seen}, about {span(passed / done * (total - done))} left"
    return f"{left} to look at them; then it learns" if job["kind"] in LEARNING else left


def span(seconds: float) -> str:
    """`20 seconds`, `3 minutes`, `2 hours`."""
    if seconds < 90:
        return count(max(1, round(seconds)), "second")
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours"


def size(n_bytes: float) -> str:
    """`1.2 MB`."""
    for unit, worth in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= worth:
            return f"{n_bytes / worth:.3g} {unit}"
    return f"{n_bytes:.0f} bytes"


def sent_as(path: str) -> str:
    """The name that a file of a set was sent under; what keeps two of one name apart goes."""
    return _APART.sub("", short(path))


def short(path: str) -> str:
    """The last part of a path."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path


def with_folder(path: str) -> str:
    """The last part of a path with the folder that it is in, where it names one: two folders may
    each have a part1.jpg.
    """
    return "/".join(path.replace("\\", "/").rstrip("/").split("/")[-2:]).lstrip("/") or path


def within(path: str, folder: str) -> str:
    """A path as seen from a folder, with slashes; the last part of one that is not in it."""
    try:
        return PurePath(path).relative_to(folder).as_posix()
    except ValueError:
        return short(path)
