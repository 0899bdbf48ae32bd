# Proposals of selective search: no network, and no labels, behind them.
_base_ = './generate_blip_pa_coco.py'

source = dict(proposals=dict(_delete_=True, type='SelectiveSearchProposals'))
