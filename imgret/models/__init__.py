"""The models themselves, on torch, ONNX or numpy. Nothing else imports torch."""
