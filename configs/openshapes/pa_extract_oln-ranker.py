# Masks from affinity, ranked also by OLN-Box trained on the same seen shapes.
_base_ = './pa_extract.py'

pa_to_masks = dict(
    oln_ranker=dict(
        config='{{ fileDirname }}/oln_box.py',
        checkpoint='work_dirs/oln_box/epoch_9.pth',
    )
)
