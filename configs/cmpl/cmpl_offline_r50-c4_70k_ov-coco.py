# Pseudo labels of the teacher in a file: a plain detector, which starts as the teacher,
# learns base classes from annotations and novel ones from the file.
_base_ = [
    '../_base_/models/ov_mask_rcnn_r50_c4_bert.py',
    '../_base_/datasets/ov_coco_instance.py',
    '../_base_/datasets/ovis_pseudo_labels.py',
    '../_base_/schedules/schedule_70k.py',
    '../_base_/ov_runtime.py',
]

pseudo_file = 'annotations/cmpl_pseudo_train2017.json'
train_dataloader = dict(
    batch_size=1,  # of 8 GPUs
    dataset=dict(_base_.ovis_base_plus_novel, additional_ann_file=pseudo_file),
)
load_from = 'work_dirs/cmpl_teacher_r50-c4_90k_ov-coco/iter_90000.pth'
