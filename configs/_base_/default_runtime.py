_base_ = 'mmdet::_base_/default_runtime.py'

custom_imports = dict(imports=['mmdet_ovis'], allow_failed_imports=False)
# Strict checkpoints, and gloo where there is no GPU.
runner_type = 'OVISRunner'
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
