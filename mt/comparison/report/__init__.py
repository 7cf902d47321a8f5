"""The report of a comparison: a page, Markdown, CSV and charts, all made from `Results`."""
