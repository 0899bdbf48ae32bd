# Open-vocabulary tests: on all classes at once, then on base and on novel classes
# alone, each group with its own images and words. A config takes it as its `test_cfg`.
ov_test_cfg = dict(
    type='OVTestLoop',
    settings=dict(
        constrained_base=dict(
            dataloader=dict(dataset=dict(split='base')),
            evaluator=dict(constrained='base'),
        ),
        constrained_novel=dict(
            dataloader=dict(dataset=dict(split='novel')),
            evaluator=dict(constrained='novel'),
        ),
    ),
)
