"""VLingNav on any vision-language model of `transformers` (arXiv 2601.08665), in torch.

`presets` has the sizes, `model` the network, `backbones` one adapter for each family; `episodes` makes
samples of a dataset, `train` learns from them, and `export` makes a folder of the result. What drives with
it, and the order of the tokens, is in `vlingnav_policy.vlm`: `policy` runs it there in torch, `export_graphs`
makes ONNX graphs that need none. Nothing here is imported with the room.
"""
