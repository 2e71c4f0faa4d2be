"""Graphs in the classes of the onnx library, for the engines that rewrite them."""
