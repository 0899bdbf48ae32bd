# Ablation: masks without spectral globalization.
_base_ = './pa_extract.py'

pa_to_masks = dict(use_globalization=0)
