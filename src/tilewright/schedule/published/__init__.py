"""Two published ways to schedule a network, over the same offers as every other strategy.

``pin_or_fuse`` is Jeong et al. (CGO 2023), ``genetic`` Horeni and Joshi (2023).
"""
