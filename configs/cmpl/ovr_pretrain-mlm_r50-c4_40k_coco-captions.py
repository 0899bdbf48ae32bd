# Caption pretraining that also guesses masked words: OVR-CNN's masked-language loss.
# A teacher starts from it with
#     load_from = 'work_dirs/ovr_pretrain-mlm_r50-c4_40k_coco-captions/iter_40000.pth'
_base_ = './ovr_pretrain_r50-c4_40k_coco-captions.py'

model = dict(masked_language=dict(type='MaskedLanguageHead'))
