# Open-vocabulary training: counted in iterations, with the words of each dataset.
_base_ = './default_runtime.py'

custom_hooks = [dict(type='VocabularyHook')]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=10000), logger=dict(interval=100)
)
log_processor = dict(by_epoch=False)
