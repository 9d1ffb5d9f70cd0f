"""The figures that the README names: one module per claim. `make bench`, or `make bench ARGS="accept --rounds 3"`.

Whole processes are measured from outside (/proc), several rounds, medians. On a shared machine rates wander; CPU per
message holds.
"""
