"""Where recordings come from: catalogues, downloads, names of works and people, and how recordings are cut into rows.

Audio itself is read in `audio`; what is made of segments belongs to `embeddings` and above.
"""
