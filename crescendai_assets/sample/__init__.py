"""A miniature of the real world, made on the spot: the demo and the tests run with no network.

This room may use any other room and is used by none, so that nothing a user trains on can come from here by
accident. What is real (readers, encoders, tables) lives in the other rooms and does not know this one exists.
"""
