"""Training: what a tier's embeddings are trained on, and how.

So far the contrastive mapping of MAESTRO; datasets, samplers and splits of the other tiers join it.
"""
