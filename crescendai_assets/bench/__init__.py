"""The bench room: what the project promises about speed and memory, measured side by side in one run.

`python -m crescendai_assets.bench [--quick] [names]` prints one JSON line a figure. Every time is shown as a ratio to
something timed in the same run, turn by turn, because a time alone says more of the machine than of the code; memory
is shown in MB or as a ratio. One module a matter; how to measure is in `measure`, what to measure on in `corpus`.
Nothing here is a test: a target that is missed is shown, not raised.
"""
