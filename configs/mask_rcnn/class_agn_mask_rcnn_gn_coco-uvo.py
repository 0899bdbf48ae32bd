# Fine-tuning on all classes of COCO of what class_agn_mask_rcnn_gn_online.py learnt
# (load_from), judged on all objects of UVO.
_base_ = ['./class_agn_mask_rcnn_gn.py', '../_base_/datasets/uvo.py']

all_classes = dict(train_class='all', eval_class='all')
pseudo_file = dict(additional_ann_file='annotations/pa_masks_coco_train2017.json')
train_dataloader = dict(dataset=all_classes | pseudo_file)
val_dataloader = dict(dataset=_base_.uvo_val)
test_dataloader = val_dataloader
val_evaluator = _base_.uvo_evaluator
test_evaluator = val_evaluator
