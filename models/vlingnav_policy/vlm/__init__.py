"""VLingNav on a vision-language model (arXiv 2601.08665): all of it but the network.

`sequence` has the order of the tokens, `writer` makes prompts of words, metres and cells, `answer` has the
network think, say and act, and `policy` is the `Policy` around them. What computes is a `Network`: `graphs`
runs one that was exported to ONNX, without torch; `vlingnav_train.vlm` trains one and runs it in torch.
"""
