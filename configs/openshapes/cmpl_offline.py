# Pseudo labels of the teacher in a file: a plain detector, which starts as the teacher,
# learns base shapes from masks and novel ones from the file.
_base_ = './cmpl_teacher.py'

model = dict(roi_head=dict(bbox_head=dict(freeze_emb=False)))
train_dataloader = dict(
    dataset=dict(
        type='OVPseudoLabelCocoDataset',
        additional_ann_file='annotations/cmpl_pseudo_train.json',
        split='all',
        train_class='base',
        pseudo_class='novel',
        use_images_without_gt=True,
    )
)
load_from = 'work_dirs/demo-cmpl/teacher/epoch_4.pth'
