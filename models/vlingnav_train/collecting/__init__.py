"""The data engine's first half: experts drive through generated houses, and a dataset keeps what they did.

`recording` drives one episode and labels every step of it; `houses` makes all episodes of one house, the unit
of work; `workers` and `ray_workers` spread houses over processes and machines; `dataset` writes them in their
order. Thoughts come later: see `vlingnav_datasets.annotate`.
"""
