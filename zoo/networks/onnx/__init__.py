"""ONNX graphs as networks that can be trained."""
