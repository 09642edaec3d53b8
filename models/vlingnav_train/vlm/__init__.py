"""VLingNav on any vision-language model of `transformers` (arXiv 2601.08665), in torch.

`presets` has the sizes, `model` the network, `backbones` one adapter for each family, `sequence` the order of
the tokens; `episodes` makes samples of a dataset, `train` learns from them, `export` makes a folder of the
result, and `policy` is the `Policy` that drives with it. Nothing here is imported with the room.
"""
