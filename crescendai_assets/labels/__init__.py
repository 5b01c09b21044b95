"""Labels: what listeners said of a performance, and what of it can be trusted.

PercePiano's ratings as they came, means with their standard errors, which passages hang together, folds that do not
leak, how reliable raters are, and composites in a teacher's words. Which audio or MIDI belongs to a segment is not
decided here; what is learned from labels belongs to `training`.
"""
