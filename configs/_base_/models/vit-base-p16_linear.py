"""Frozen ViT-Base, a linear classifier on the patch tokens after block 8, averaged and normalised over the batch."""

model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmsimmim.VisionTransformer',
        arch='base',
        img_size=224,
        patch_size=16,
        drop_path_rate=0.0,
        layer_scale_init_value=0.1,
        use_abs_pos_emb=False,
        use_rel_pos_bias=False,
        use_shared_rel_pos_bias=True,
        final_norm=False,
        out_type='featmap',
        out_indices=[7],
        frozen_stages=12),
    neck=[dict(type='GlobalAveragePooling'),
          dict(type='ClsBatchNormNeck', input_features=768)],
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=768,
        loss=dict(type='CrossEntropyLoss'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.01)))
