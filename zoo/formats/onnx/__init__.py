"""Reading ONNX files without the onnx package: values out of bytes, and what could train them."""
