# The C4 network with BERT's word vectors as classes, as in OVR-CNN and CMPL. They are
# brought to length 1, for the teacher as for the student that is copied from it.
_base_ = './ov_mask_rcnn_r50_c4.py'

text_bank = 'data/text_embeddings/coco_bert-base-uncased.npz'
model = dict(
    roi_head=dict(
        bbox_head=dict(embed_dim=768, embeddings=text_bank, normalize_text=True)
    )
)
