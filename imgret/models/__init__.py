"""The models, on torch, ONNX or numpy. Only this package imports torch."""
