"""The Open Inference Protocol (v2), as NVIDIA's Triton and its clients speak it, under /v2."""
