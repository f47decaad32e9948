"""Judge images by an exported model: onnxruntime, numpy and Pillow are all that it takes.

python onnxruntime_only.py parts.onnx image.png ...

Files are read as `oneclass score` reads them: turned as their EXIF says, transparency on white; of
other depths than 8 bits, of several frames or of one single colour they are refused.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import: it reports home otherwise

import numpy as np
import onnxruntime as ort
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")  # of these Pillow tells the depth


def read(path):
    """(height, width, 3) uint8, upright and opaque; an error says why there is none."""
    with Path(path).open("rb") as file:  # by the path, Pillow 12 and 13 scramble some turned TIFFs
        try:
            image = Image.open(file, formats=FORMATS)
        except UnidentifiedImageError:
            raise ValueError(f"it is empty, damaged or none of {', '.join(FORMATS)}") from None
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # a JPEG with more
        if frames > 1:
            raise ValueError(f"it holds {frames} frames or pages, and only one can be judged")
        # Of 16-bit colour Pillow makes 8 bits: only what it is about to decode tells.
        deep = image.format != "BMP" and any(";16" in str(tile[3]) for tile in image.tile)
        if deep or image.mode[0] in "IF":  # 16-bit grey, 32-bit integers, float
            raise ValueError("it has more than 8 bits, and the model learnt from images of 8")
        rgba = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"), np.uint32)
    colour, alpha = rgba[..., :3], rgba[..., 3:]
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def check(pixels, record):
    """ValueError where the model has nothing to say of such pixels."""
    height, width = pixels.shape[:2]
    size = record["size"]
    if size and size != [height, width]:
        takes = f"{size[1]} x {size[0]} (width x height)"
        raise ValueError(f"it has {width} x {height} pixels, and the model takes {takes}")
    learnt = record["card"]["fit"].get("one_colour")  # such colours; older models do not say
    first = pixels[0, 0]
    if learnt is not None and (pixels == first).all():
        within = learnt and ((np.min(learnt, 0) <= first) & (first <= np.max(learnt, 0))).all()
        if not within:
            raise ValueError("all of it has one colour, and the model learnt from no such image")


def main(model, paths):
    """Print a line for each image; return the exit code: 1 where one could not be judged."""
    try:
        session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        record = json.loads(session.get_modelmeta().custom_metadata_map["oneclass_model"])
    except Exception as problem:  # onnxruntime's own kinds are many
        sys.exit(f"{model}: is no model that 'oneclass export' wrote: {problem}")
    layout, depth = record["input"]["layout"], record["input"]["type"]
    if (layout, depth) != ("NHWC", "uint8"):
        sys.exit(f"{model}: takes {depth} images, {layout}; this program gives uint8, NHWC")
    outputs = [output.name for output in session.get_outputs()]
    code = 0
    for path in paths:
        try:
            pixels = read(path)
            check(pixels, record)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
            print(f"{path}: cannot be judged: {problem}", file=sys.stderr)
            code = 1
            continue
        found = dict(zip(outputs, session.run(outputs, {"images": pixels[None]}), strict=True))
        verdict = "anomaly" if found["is_anomaly"][0] else "fine"
        print(f"{path},{found['score'][0]:.6f},{found['p_value'][0]:.6f},{verdict}")
        if "anomaly_map" in found:
            heat = (found["anomaly_map"][0] / record["heat_scale"] / 2).clip(0, 1)
            row, column = np.unravel_index(heat.argmax(), heat.shape)
            print(f"  oddest at row {row}, column {column} of {heat.shape[0]} x {heat.shape[1]}")
    return code


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("expected: python onnxruntime_only.py parts.onnx image.png ...")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
