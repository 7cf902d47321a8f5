"""Export of trained models to CTranslate2 and ONNX."""
