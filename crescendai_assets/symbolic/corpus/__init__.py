"""A corpus of symbolic performances: sources of MIDI -> what each file holds -> tokens, graphs and curves in shards.

One source is one partition, one file the unit of work. Which performances may be used for pretraining is decided over
all sources together, in `training.corpus_roles`.
"""
