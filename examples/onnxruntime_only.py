"""Judge images by an exported model: onnxruntime, numpy and Pillow are all that it takes.

python onnxruntime_only.py parts.onnx image.png ...
"""

import json
import os
import sys

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import: it reports home otherwise

import numpy as np
import onnxruntime as ort
from PIL import Image

if len(sys.argv) < 3:
    sys.exit("expected: python onnxruntime_only.py parts.onnx image.png ...")
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
record = json.loads(session.get_modelmeta().custom_metadata_map["oneclass_model"])
if (record["input"]["layout"], record["input"]["type"]) != ("NHWC", "uint8"):
    sys.exit(f"this program gives 8-bit NHWC images, and the model takes {record['input']}")

for path in sys.argv[2:]:
    pixels = np.asarray(Image.open(path).convert("RGB"))
    outputs = [output.name for output in session.get_outputs()]
    found = dict(zip(outputs, session.run(outputs, {"images": pixels[None]}), strict=True))
    verdict = "anomaly" if found["is_anomaly"][0] else "fine"
    print(f"{path},{found['score'][0]:.6f},{found['p_value'][0]:.6f},{verdict}")
    if "anomaly_map" in found:
        heat = (found["anomaly_map"][0] / record["heat_scale"] / 2).clip(0, 1)
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        print(f"  oddest at row {row}, column {column} of {heat.shape[0]} x {heat.shape[1]}")
