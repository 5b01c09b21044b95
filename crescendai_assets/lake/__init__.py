"""Storage: layout, atomic writes, row tables, fingerprints, journal, ledger of failures, resolve.

Knows files and rows, nothing of audio, music or Dagster. What a row means belongs to the layer that writes it.
"""
