"""UPerNet as mmsegmentation has it for BEiT, on blocks 4, 6, 8 and 12 of ViT-Base. Slide inference with 512 px.

Each block has its own bias table, as in fine-tuning; the shared one of pre-training is copied to all.
"""

_base_ = 'mmseg::_base_/models/upernet_beit.py'

model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(
        _delete_=True,
        type='mmsimmim.VisionTransformer',
        arch='base',
        img_size=512,
        patch_size=16,
        drop_path_rate=0.1,
        layer_scale_init_value=0.1,
        use_abs_pos_emb=False,
        use_rel_pos_bias=True,
        use_shared_rel_pos_bias=False,
        final_norm=False,
        out_indices=(3, 5, 7, 11)),
    test_cfg=dict(mode='slide', crop_size=(512, 512), stride=(341, 341)))
