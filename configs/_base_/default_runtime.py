_base_ = 'mmdet::_base_/default_runtime.py'

custom_imports = dict(imports=['mmdet_ovis'], allow_failed_imports=False)
# Strict checkpoints, and gloo where there is no GPU.
runner_type = 'OVISRunner'
# A kill at any moment leaves a whole checkpoint to resume from.
default_hooks = dict(checkpoint=dict(type='DurableCheckpointHook', max_keep_ckpts=2))
