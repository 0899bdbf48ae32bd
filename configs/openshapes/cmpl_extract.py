# What the teacher makes of the words of captions, as a file.
_base_ = './cmpl_student.py'

extraction = dict(type='TeacherSource')
test_dataloader = dict(
    dataset=_base_.train_dataloader.dataset
    | dict(
        test_mode=False,
        pipeline=[
            dict(type='LoadImageFromFile'),
            # The teacher leaves annotated objects alone.
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=_base_.scale, keep_ratio=True),
            dict(type='PackDetInputs', meta_keys=_base_.pipeline[-1].meta_keys),
        ],
    )
)
