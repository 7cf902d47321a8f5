"""The sections of the report, a module each; `mt.comparison.report.contents` lists them."""
