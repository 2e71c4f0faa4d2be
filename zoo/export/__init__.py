"""Networks out: ONNX with preprocessing inside, and the proof that it computes the same."""
