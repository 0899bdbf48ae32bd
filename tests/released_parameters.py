"""Random parameters in the layouts of released checkpoints."""

from __future__ import annotations

import torch


class Parameters(dict):
    """Random parameters under the names that the original code gives them.

    Unless they are to compute something, each is one number that stands everywhere, so
    that files are small.
    """

    def __init__(self, norm='bn', compute=False):
        super().__init__()
        self.norm = norm
        self.compute = compute
        self.random = torch.Generator().manual_seed(0)

    def draw(self, *shape):
        size = shape if self.compute else (1,)
        return (0.05 * torch.randn(size, generator=self.random)).expand(shape)

    def layer(self, name, out, *shape, bias=True):
        self[f'{name}.weight'] = self.draw(out, *shape)
        if bias:
            self[f'{name}.bias'] = self.draw(out)

    def normalization(self, name, channels):
        self[f'{name}.weight'] = 1 + self.draw(channels)
        self[f'{name}.bias'] = self.draw(channels)
        if self.norm != 'gn':
            self[f'{name}.running_mean'] = self.draw(channels)
            self[f'{name}.running_var'] = 1 + self.draw(channels).abs()
        if self.norm == 'bn':
            self[f'{name}.num_batches_tracked'] = torch.tensor(3)

    def block(self, name, out, inside, kernel):
        """Convolution without bias and normalisation, in an `nn.Sequential`."""
        self.layer(f'{name}.0', out, inside, kernel, kernel, bias=False)
        self.normalization(f'{name}.1', out)


def add_stage(p, prefix, stage, norm='bn'):
    """The names of one stage of torchvision's ResNet-50, 1 to 4."""
    width = 32 * 2**stage
    inside = 64 if stage == 1 else 2 * width
    for i in range((3, 4, 6, 3)[stage - 1]):
        name = f'{prefix}layer{stage}.{i}'
        shapes = ((width, inside, 1), (width, width, 3), (4 * width, width, 1))
        for k, (out, into, kernel) in enumerate(shapes, 1):
            p.layer(f'{name}.conv{k}', out, into, kernel, kernel, bias=False)
            p.normalization(f'{name}.{norm}{k}', out)
        if i == 0:
            p.block(f'{name}.downsample', 4 * width, inside, 1)
        inside = 4 * width


def resnet50(norm='bn', compute=False):
    """The names of torchvision's ResNet-50 without its classifier."""
    p = Parameters(norm, compute)
    p.layer('backbone.conv1', 64, 3, 7, 7, bias=False)
    p.normalization(f'backbone.{norm}1', 64)
    for stage in (1, 2, 3, 4):
        add_stage(p, 'backbone.', stage, norm)
    return p


def benchmark_trunk(stages):
    """The names of maskrcnn-benchmark's ResNet-50, with frozen normalisation."""
    p = Parameters('frozen')
    p.layer('backbone.body.stem.conv1', 64, 3, 7, 7, bias=False)
    p.normalization('backbone.body.stem.bn1', 64)
    for stage in stages:
        add_stage(p, 'backbone.body.', stage)
    return p


def ovr_trunk(embed_dim=768):
    """What OVR-CNN's caption pretraining saves."""
    p = benchmark_trunk((1, 2, 3, 4))
    p.layer('mmss_heads.GroundingHead.v2l_projection', embed_dim, 2048)
    p.layer('mmss_heads.TransformerHead.v2l_projection', embed_dim, 2048)
    p.layer('mmss_heads.TransformerHead.heads.match', 2, embed_dim)
    p.layer('language_backbone.body.bert_model.encoder.layer.0', 768, 768)
    return p


def add_roi_heads(p, heads, embed_dim=768, noise=False):
    """The names of heads that share their res5, and list it twice."""
    add_stage(p, f'{heads}.box.feature_extractor.head.', 4)
    for key in [k for k in p if k.startswith(f'{heads}.box.feature_extractor.')]:
        p[key.replace('.box.', '.mask.')] = p[key]
    p.layer(f'{heads}.box.predictor.emb_pred', embed_dim, 2048)
    p.layer(f'{heads}.box.predictor.bbox_pred', 8, 2048)
    p[f'{heads}.mask.predictor.conv5_mask.weight'] = p.draw(2048, 256, 2, 2)
    p[f'{heads}.mask.predictor.conv5_mask.bias'] = p.draw(256)
    p.layer(f'{heads}.mask.predictor.mask_fcn_logits', 2, 256, 1, 1)
    if noise:
        p.layer(f'{heads}.mask.predictor.uncertain_pred', 1, 256, 1, 1)


def cmpl_teacher(embed_dim=768, noise=False):
    """What the first stage of CMPL saves."""
    p = benchmark_trunk((1, 2, 3))
    p['rpn.anchor_generator.cell_anchors.0'] = torch.zeros(15, 4)
    p.layer('rpn.head.conv', 1024, 1024, 3, 3)
    p.layer('rpn.head.cls_logits', 15, 1024, 1, 1)
    p.layer('rpn.head.bbox_pred', 60, 1024, 1, 1)
    add_roi_heads(p, 'roi_heads', embed_dim, noise)
    return p


def cmpl_student(embed_dim=768):
    """What the second stage of CMPL saves: teacher, student and language model."""
    p = cmpl_teacher(embed_dim, noise=True)
    add_roi_heads(p, 'roi_heads_student', embed_dim, noise=True)
    p.layer('bert.bert_model.encoder.layer.0', 768, 768)
    p['lambda_exemplar'] = torch.zeros(1)
    return p
