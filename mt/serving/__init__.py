"""Translation over HTTP: the API of LibreTranslate, a page, shared batches, limits, metrics."""
