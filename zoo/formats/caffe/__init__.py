"""Caffe: prototxt and caffemodel to a network description and Weights, and back."""
