"""Networks that others publish, and where a pulled one is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from oneclass.system.downloads import user_folder

SERVER = "http://www.vlfeat.org/matconvnet/models/"
LICENCE = (
    "none is stated with the file; trained on ImageNet, whose images are for non-commercial "
    "research. Ask the authors before a commercial use"
)
CITE = "Chatfield, Simonyan, Vedaldi and Zisserman, Return of the Devil in the Details, BMVC 2014"


@dataclass(frozen=True)
class Published:
    """A network's file on the web.

    Attributes:
        url, md5: of the MatConvNet file.
        what: in a few words.
        megabytes: of the file, about.
    """

    url: str
    md5: str
    what: str
    megabytes: int


PUBLISHED = {
    "vgg-f": Published(
        SERVER + "imagenet-matconvnet-vgg-f.mat",
        "b359b6ad071155eafa35c84a78f397c7",
        "the paper's VGG-F: trained with batch normalisation, folded; no LRN",
        240,
    ),
    "vgg-m": Published(
        SERVER + "imagenet-matconvnet-vgg-m.mat",
        "1bcad2e93b0cc6da3b7d1bf610582279",
        "the paper's VGG-M: trained with batch normalisation, folded; no LRN",
        410,
    ),
    "vgg-f-lrn": Published(
        SERVER + "imagenet-vgg-f.mat",
        "f666c61dc968c413ef664a7e17b01144",
        "Chatfield et al.'s original VGG-F, with LRN",
        240,
    ),
    "vgg-m-lrn": Published(
        SERVER + "imagenet-vgg-m.mat",
        "1c164950e882b4ea11623e669a86b1c4",
        "Chatfield et al.'s original VGG-M, with LRN",
        410,
    ),
}
"""MD5s as on MatConvNet's page of pretrained models; they hold for the files since beta17."""


def pulled_file(name: str) -> Path:
    """Where a pulled network lies, or would lie, for this user."""
    return user_folder("backbones") / f"{name}.onnx"
