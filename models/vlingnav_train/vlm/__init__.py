"""VLingNav on any vision-language model of `transformers` (arXiv 2601.08665), in torch.

`presets` has the sizes, `model` the network, `backbones` one adapter for each family, `sequence` the order of
the tokens, `policy` the `Policy` that drives. Nothing here is imported with the room.
"""
