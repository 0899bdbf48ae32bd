# UVO's frames (FrameSet) after tools/dataset_converters/uvo_to_coco.py.
uvo_val = dict(
    data_root='data/uvo/',
    ann_file='annotations/frame_val.json',
    data_prefix=dict(img='uvo_videos_sparse_frames/'),
    train_class='object',
    eval_class='object',
)
uvo_evaluator = dict(
    ann_file='data/uvo/annotations/frame_val.json', eval_class='object'
)
