"""Dagster, and nothing else: assets that read like sentences, and what they run with.

One module per tier, plus partitions, resources, executors, jobs, sensors, checks and metadata. What an asset does is
one call into the domain below; a formula, a file format or a loop over recordings does not belong here.
"""
