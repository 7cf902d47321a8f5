"""Translation over HTTP: LibreTranslate's API, a page, shared batches, limits, metrics."""
