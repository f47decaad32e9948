"""A detector as one ONNX graph, for places where oneclass itself is not."""
