"""Presents a diagnosis: text, JSON, HTML, SARIF, graphs.  Knows nothing of how facts were found."""
