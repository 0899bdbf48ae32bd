# Pictures during validation. A config that inherits from this takes what it wants:
#   custom_hooks = _base_.affinity_pictures    # affinity networks
#   default_hooks = _base_.detector_pictures   # detectors
#   visualizer = _base_.files                  # detectors: a colour for each instance
#   visualizer = _base_.tensorboard            # as well; `pip install tensorboard`
affinity_pictures = [
    dict(type='AffinityVisualizationHook', interval=1, num_images=8, topk=10)
]
detector_pictures = dict(
    visualization=dict(
        type='DetVisualizationHook', draw=True, interval=50, score_thr=0.3
    )
)
files = dict(type='InstanceVisualizer', topk=20)
tensorboard = dict(
    type='InstanceVisualizer',
    topk=20,
    vis_backends=[dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')],
)
