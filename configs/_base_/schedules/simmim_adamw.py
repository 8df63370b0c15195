"""Optimizer of the official Swin runs, for an effective batch size of 2048 in bf16; the schedules set the rate."""

optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=1.0,  # bf16 has the range of float32
    optimizer=dict(type='AdamW', lr=1e-4 * 2048 / 512, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05, fused=True),
    clip_grad=dict(max_norm=5.0),
    # Bias tables, and in Swin V2 logit_scale and the weights of cpb_mlp, do decay: the official pre-training means to
    # exempt them, but asks for 'encoder.relative_position_bias_table', 'encoder.cpb_mlp', ... in a parameter's name,
    # and no name contains that. Its fine-tuning exempts them.
    paramwise_cfg=dict(
        flat_decay_mult=0.0,  # biases and norms
        custom_keys=dict(mask_token=dict(decay_mult=0.0))))

auto_scale_lr = dict(base_batch_size=2048)
