"""MatConvNet files turned into ONNX: the MAT container, SimpleNN records, layers and graph."""
