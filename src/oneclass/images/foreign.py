"""Files that are no images here but that people have: what they are, and what to do with them."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_BYTES = 400
PNG = "convert it to PNG"
DEVELOP = "develop it into TIFF or PNG (dcraw, darktable, rawpy)"
SLICES = "save each slice as a picture of its own"
UNPACK = "unpack it first"
ARRAYS = "give the arrays (in Python), or save them as PNG or TIFF"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A kind of file that is not read.

    Attributes:
        name: of the kind.
        advice: what to do with it.
        is_image: whether it is an image at all.
        magic: bytes that it has ...
        at: ... at this offset.
    """

    name: str
    advice: str
    is_image: bool
    magic: bytes
    at: int = 0


def _images(advice: str, *kinds: tuple[str, bytes], at: int = 0) -> tuple[Foreign, ...]:
    return tuple(Foreign(name, advice, True, magic, at) for name, magic in kinds)


def _others(advice: str, *kinds: tuple[str, bytes], at: int = 0) -> tuple[Foreign, ...]:
    return tuple(Foreign(name, advice, False, magic, at) for name, magic in kinds)


KINDS = (
    *_images(
        "write it with its preamble (dcmconv +F of DCMTK)",
        ("a DICOM file without a preamble", b"\x08\0\0\0"),
        ("a DICOM file without a preamble", b"\x08\0\5\0"),
        ("a DICOM file without a preamble", b"\x02\0\0\0"),
    ),
    *_images(
        f"{SLICES} (nibabel in Python)",
        ("a NIfTI volume", b"n+1\0"),
        ("a NIfTI header", b"ni1\0"),
        at=344,
    ),
    *_images(
        f"{SLICES} (nibabel in Python)",
        ("a NIfTI-2 volume", b"n+2\0\r\n\x1a\n"),
        ("a NIfTI-2 header", b"ni2\0\r\n\x1a\n"),
        at=4,
    ),
    *_images(
        f"{SLICES} (nibabel in Python)",
        ("an ANALYZE header", b"\x5c\1\0\0"),
        ("an ANALYZE header", b"\0\0\1\x5c"),
    ),
    *_images(
        f"{SLICES} (SimpleITK in Python)",
        ("a MetaImage header", b"ObjectType ="),
        ("a VTK file", b"# vtk DataFile"),
    ),
    *_images(
        f"{SLICES} (spectral in Python)",
        ("an ENVI header", b"ENVI\n"),
        ("an ENVI header", b"ENVI\r"),
    ),
    *_images(
        "export it as TIFF (Fiji with Bio-Formats, or Gatan's own program)",
        ("a Gatan DM3 file", b"\0\0\0\3\0"),
        ("a Gatan DM4 file", b"\0\0\0\4\0\0\0\0"),
        ("an Olympus OIR file", b"OLYMPUSRAWFORMAT"),
    ),
    *_images(
        "export it as TIFF with the camera's own program",
        ("a FLIR thermal image", b"FFF\0"),
        ("a FLIR thermal image", b"AFF\0"),
        ("a video of an astronomer's camera", b"LUCAM-RECORDER"),
    ),
    *_images(f"{SLICES} (pynrrd in Python)", ("an NRRD volume", b"NRRD000")),
    *_images(f"{SLICES} (mrcfile in Python)", ("an MRC volume", b"MAP "), at=208),
    *_images(
        "export it as TIFF (Fiji with Bio-Formats, or bfconvert)",
        ("a Zeiss CZI file", b"ZISRAWFILE"),
        ("a Nikon ND2 file", b"\xda\xce\xbe\x0a"),
        ("a Leica LIF file", b"\x70\0\0\0"),
        ("an OLE file, such as Olympus OIB or old Office", b"\xd0\xcf\x11\xe0"),
    ),
    *_images(
        DEVELOP,
        ("a Fujifilm raw file", b"FUJIFILMCCD-RAW"),
        ("an Olympus raw file", b"IIRO"),
        ("a Panasonic raw file", b"IIU\0"),
        ("a Sigma raw file", b"FOVb"),
    ),
    *_images(DEVELOP, ("a Canon raw file", b"CR\x02"), at=8),
    *_images(DEVELOP, ("a Canon raw file", b"ftypcrx"), at=4),
    *_images(
        "take single frames out of it (ffmpeg)",
        ("a video", b"ftyp"),
        ("a QuickTime video", b"moov"),
        ("a QuickTime video", b"mdat"),
        ("a QuickTime video", b"wide"),
        at=4,
    ),
    *_images(
        "take single frames out of it (ffmpeg)",
        ("a Matroska or WebM video", b"\x1aE\xdf\xa3"),
        ("an MPEG video", b"\0\0\1\xba"),
        ("an MPEG video", b"\0\0\1\xb3"),
        ("a Windows Media video", b"\x30\x26\xb2\x75"),
        ("a Flash video", b"FLV\1"),
        ("an Ogg video", b"OggS"),
    ),
    *_images("take single frames out of it (ffmpeg)", ("an AVI video", b"AVI "), at=8),
    *_images(
        "convert it to PNG (djxl of libjxl)",
        ("JPEG XL", b"\xff\x0a"),
        ("JPEG XL", b"\0\0\0\x0cJXL "),
    ),
    *_images(
        PNG,
        ("JPEG 2000", b"\0\0\0\x0cjP  "),
        ("JPEG 2000", b"\xff\x4f\xff\x51"),
        ("JPEG XR", b"II\xbc\1"),
        ("Photoshop", b"8BPS"),
        ("GIMP", b"gimp xcf"),
        ("PDF", b"%PDF"),
        ("PostScript", b"%!PS"),
        ("SVG", b"<svg"),
        ("DirectDraw", b"DDS "),
        ("an icon", b"\0\0\1\0"),
        ("PAM", b"P7\n"),
        ("QOI", b"qoif"),
        ("DjVu", b"AT&TFORM"),
        ("SGI", b"\x01\xda"),
        ("FLIF", b"FLIF"),
        ("BPG", b"BPG\xfb"),
        ("MNG", b"\x8aMNG"),
        ("JNG", b"\x8bJNG"),
        ("an icon of macOS", b"icns"),
        ("PCX", b"\n\5\1"),
        ("XPM", b"/* XPM"),
        ("XBM", b"#define "),
        ("a Windows metafile", b"\xd7\xcd\xc6\x9a"),
        ("Clip Studio", b"CSFCHUNK"),
        ("Affinity", b"\0\xffKA"),
    ),
    *_images(
        "convert it to TIFF with floats, or to PNG of 16 bits, all in the same range",
        ("OpenEXR", b"v/1\x01"),
        ("Radiance HDR", b"#?RADIANCE"),
        ("Radiance HDR", b"#?RGBE"),
        ("PFM", b"PF\n"),
        ("PFM", b"Pf\n"),
    ),
    *_images(f"load it with numpy.load and {ARRAYS}", ("a numpy array", b"\x93NUMPY")),
    *_images(f"load it with scipy.io.loadmat and {ARRAYS}", ("a MATLAB file", b"MATLAB")),
    *_images(f"load it with h5py and {ARRAYS}", ("an HDF5 or MATLAB file", b"\x89HDF")),
    *_images(
        f"load it with scipy.io.netcdf_file and {ARRAYS}",
        ("a NetCDF file", b"CDF\1"),
        ("a NetCDF file", b"CDF\2"),
    ),
    *_images(f"load it with astropy.io.fits and {ARRAYS}", ("a FITS file", b"SIMPLE  =")),
    *_others(
        UNPACK,
        ("a ZIP archive", b"PK\3\4"),
        ("a gzip file", b"\x1f\x8b"),
        ("a bzip2 file", b"BZh"),
        ("an xz file", b"\xfd7zXZ"),
        ("a 7z archive", b"7z\xbc\xaf"),
        ("a RAR archive", b"Rar!"),
        ("a Zstandard file", b"\x28\xb5\x2f\xfd"),
    ),
    *_others(UNPACK, ("a tar archive", b"ustar"), at=257),
    *_others(
        "fetch what it stands for with 'git lfs pull'",
        ("a Git LFS pointer", b"version https://git-lfs"),
    ),
    *_others(
        "fetch what it stands for with 'git annex get'",
        ("a git-annex pointer", b"/annex/objects/"),
        ("a git-annex pointer", b"../.git/annex/"),
    ),
    *_others("fetch what it stands for with 'dvc pull'", ("a DVC pointer", b"outs:\n")),
    *_others("decrypt it first", ("an encrypted file", b"Salted__"), ("PGP", b"-----BEGIN PGP")),
    *_others("fetch it again in binary mode", ("a PNG whose line ends were changed", b"\x89PNG\n")),
    *_others(
        "decode it first",
        ("a PNG written as base64", b"iVBORw0KGgo"),
        ("an image written as base64", b"data:image/"),
        ("a JPEG written as base64", b"/9j/"),
    ),
    *_others(
        "look at it: it may say why there is no image",
        ("XML", b"<?xml"),
        ("JSON", b'{"'),
        ("JSON", b"{\n"),
        ("XML", b"<Error>"),
    ),
    *_others(
        "remove it; the picture has the same name without ._", ("macOS metadata", b"\0\5\x16\7")
    ),
    *_others(
        "give images where images are asked for; 'oneclass score MODEL IMAGES' judges with it",
        ("a model of oneclass", b"ONECLASS"),
    ),
    *_others(
        "give the file that it leads to",
        ("a Windows shortcut", b"L\0\0\0\1\x14\2\0"),
        ("a shortcut", b"[InternetShortcut]"),
    ),
    *_others("remove it", ("macOS metadata", b"\0\0\0\1Bud1"), ("Windows metadata", b"[.Shell")),
    *_others(
        "it stands for a file that has not been fetched, or holds settings: fetch the file",
        ("a property list of macOS", b"bplist00"),
    ),
)
PAGE = Foreign(
    "a web page",
    "the download failed, so fetch the image again, by an address of its own",
    False,
    b"<html",
)
TABLE = Foreign(
    "a table",
    "a list of images is a .txt file with one path a line, and what is known of them goes to "
    "'oneclass report --labels'",
    False,
    b"path",
)
SVG = next(kind for kind in KINDS if kind.name == "SVG")
ZEROS = Foreign(
    "a file that begins with zeros alone",
    "it was never written whole; fetch or export it again",
    False,
    b"\0",
)


def recognise(start: bytes) -> Foreign | None:
    """What a file is whose first `HEAD_BYTES` bytes these are, where that is known."""
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html")):
        return PAGE
    if start.startswith(b"<?xml") and b"<svg" in start:
        return SVG
    if start.removeprefix(b"\xef\xbb\xbf").lower().startswith((b"path,", b"path;", b"path\t")):
        return TABLE
    if not start.strip(b"\0"):
        return ZEROS
    return next((kind for kind in KINDS if start[kind.at :].startswith(kind.magic)), None)
