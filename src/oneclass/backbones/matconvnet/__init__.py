"""MatConvNet files turned into ONNX: the MAT container, SimpleNN records, their layers and graph."""
