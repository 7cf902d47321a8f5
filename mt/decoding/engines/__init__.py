"""Inference engines: PyTorch, CTranslate2 and ONNX."""
