"""How each tier stands and what finishing it takes, planned before any of it is spent.

The plans are the assets' own; no audio is decoded, no weights are loaded, nothing is written and no site is asked.
Showing the answer is the command line's work.
"""
