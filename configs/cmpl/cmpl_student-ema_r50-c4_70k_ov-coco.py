# The teacher follows the student slowly, as a moving average.
_base_ = './cmpl_student_r50-c4_70k_ov-coco.py'

custom_hooks = [*_base_.custom_hooks, dict(type='TeacherEMAHook', momentum=0.0004)]
