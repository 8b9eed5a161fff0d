"""Recall, precision and speed of reading text in images: `python -m benchmarks.ocr`."""
