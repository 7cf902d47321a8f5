"""The types of everything in results.json: what a comparison computes and what a report shows."""
