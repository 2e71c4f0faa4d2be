"""Predicting from ONNX Runtime sessions. No torch."""
