"""What hubsec costs, beside what others cost and what can't be gone below. `make bench` runs everything.

Absolute times belong to one machine on one day. What counts are ratios: a peer or a limit is measured in the same run,
in rounds that take turns, and of each round's ratios the median is shown.
"""
