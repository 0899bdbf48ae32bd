# What the teacher makes of the words of captions, as a file: of the images that the
# student trains on, for tools/cmpl/extract_pseudo_masks.py.
_base_ = './cmpl_student_r50-c4_70k_ov-coco.py'

extraction = dict(type='TeacherSource')
test_dataloader = dict(
    dataset=_base_.train_dataloader.dataset
    | dict(
        test_mode=False,
        pipeline=[
            dict(type='LoadImageFromFile'),
            # The teacher leaves annotated objects alone.
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(1333, 800), keep_ratio=True),
            dict(type='PackDetInputs', meta_keys=_base_.train_pipeline[-1].meta_keys),
        ],
    )
)
