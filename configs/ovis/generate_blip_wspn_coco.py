# Proposals of the weakly supervised network, which learns from captions alone.
_base_ = './generate_blip_pa_coco.py'

source = dict(
    proposals=dict(
        _delete_=True,
        type='WSPNProposals',
        config='configs/ovis/wspn_r50-dc5_90k_coco-captions.py',
        checkpoint='work_dirs/wspn_r50-dc5_90k_coco-captions/iter_90000.pth',
        inputs=dict(type='SelectiveSearchProposals', top_k=1000, nms_iou=0.9),
    )
)
