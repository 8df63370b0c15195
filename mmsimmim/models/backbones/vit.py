"""Vision transformer: one class from pre-training to downstream tasks."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ...errors import UserError
from ...layers import (
    ChunkedPositionBias,
    PatchEmbed,
    RelativePositionBias,
    TransformerBlock,
    call_block,
    check_with_cp,
    fit_position_embedding,
    replace_masked_tokens,
    resize_position_embedding,
)
from ...registry import MODELS
from .encoder import Encoder
from .loading import LoadReport, describe_new_norm
from .vit_arguments import (
    check_frozen_stages,
    check_layer_cfgs,
    check_out_indices,
    check_windows,
    drop_path_rates,
    one_of,
    parse_arch,
    parse_norm_cfg,
    parse_patch_cfg,
    parse_patch_size,
    size_pair,
)
from .vit_initialisation import initialise_vit, truncate_at_one_sigma

OUT_TYPES = ('raw', 'cls_token', 'featmap', 'avg_featmap')
TABLE = 'relative_position_bias_table'


@MODELS.register_module()
class VisionTransformer(Encoder):
    """The vision transformer of SimMIM, which is `BEiT <https://arxiv.org/abs/2106.08254>`_'s, that also takes a mask.

    Arguments and state-dict keys are those of mmpretrain's ``BEiTViT``; defaults are SimMIM's pre-training, official
    ``models/vision_transformer.py``. For fine-tuning set ``use_rel_pos_bias=True, use_shared_rel_pos_bias=False,
    final_norm=False, out_type='avg_featmap'``. While loading, a shared bias table becomes one per
    block if the model has these, tables and position embeddings of another image size are resized, and index buffers
    are ignored. Images of any size are accepted, with the result of a model of that size into which these
    weights are loaded. Stochastic depth is the official one (mmpretrain applies it twice to the MLP branch, and
    ignores dropout in the attention).

    Args:
        arch (str | dict): ``'small'``, ``'base'``, ``'large'``, ``'eva-giant'``, ``'deit-tiny'``, ``'deit-small'``,
            ``'deit-base'``, also with the last word's first letter only (``'b'``, ``'deit-s'``), or a dict of
            ``embed_dims``, ``num_layers``, ``num_heads`` and ``feedforward_channels``. ``'small'`` is mmpretrain's: 8
            wide layers; the usual ViT-S is ``'deit-small'``. Defaults to ``'base'``.
        img_size (int | tuple[int, int]): Size of the images, pixels (H, W), that bias tables and position embeddings
            are for. Files do not record the orientation: one of 64 x 96 pixels is taken as it is for 96 x 64. Defaults
            to 224.
        patch_size (int): Side of a patch, pixels. Defaults to 16.
        in_channels (int): Channels of the images. Defaults to 3.
        out_indices (int | Sequence[int]): Blocks whose output is returned, counted from 0, or from the end below 0;
            outputs come in the order of the blocks, and blocks after the last of them are not run. Defaults to -1.
        drop_rate (float): Dropout after the embedding, the attention and the layers of the MLP. Defaults to 0.
        drop_path_rate (float): Rate of stochastic depth at the last block, growing linearly from 0 at the first.
            Defaults to 0.1.
        bias (bool | str): Biases of the projections to query, key and value: True, False, or ``'qv_bias'`` for none of
            the key. Defaults to ``'qv_bias'``.
        norm_cfg (dict, optional): Type, always ``'LN'``, and ``eps`` of the norms. Defaults to None:
            ``dict(type='LN', eps=1e-6)``.
        final_norm (bool): Whether the last block is followed by a norm. Defaults to True.
        out_type (str): ``'featmap'`` for maps (B, C, h, w) of the patch tokens, ``'avg_featmap'`` for their average
            after one more norm (B, C), ``'cls_token'`` for the class token (B, C), ``'raw'`` for all tokens
            (B, 1 + h * w, C). Defaults to ``'featmap'``.
        with_cls_token (bool): Whether there is a class token. Defaults to True.
        frozen_stages (int): As in mmpretrain: if above 0, the embeddings and this number of blocks are frozen; if
            all, also the norms and the shared bias. Defaults to -1.
        use_abs_pos_emb (bool): Whether absolute position embeddings are added. Defaults to False.
        use_rel_pos_bias (bool): Whether each block has its relative-position bias. Defaults to False.
        use_shared_rel_pos_bias (bool): Whether all blocks share one. Defaults to True.
        interpolate_mode (str): How position embeddings are resized, ``'bicubic'`` or ``'bilinear'``. Defaults to
            ``'bicubic'``.
        layer_scale_init_value (float): Initial scale of the branches; 0 for no scales. Defaults to 0.1.
        patch_cfg (dict, optional): ``padding``: ``'corner'`` to pad images with zeros to whole patches, right and
            bottom, 0 to cut off what is left over. Defaults to None: ``'corner'``.
        layer_cfgs (dict | Sequence[dict], optional): Other values, for all blocks or one dict each, of
            ``feedforward_channels``, ``layer_scale_init_value``, ``drop_rate``, ``drop_path_rate``, ``norm_cfg``,
            ``bias``, and ``attn_drop_rate`` (dropout of attention weights, else 0). Defaults to None.
        with_cp (bool | str): Save memory: True recomputes each block in the backward pass, ``'cheap'`` all but its
            matrix products and attention. Defaults to False.
        window_size (int): Side of the windows, tokens, for detection at high resolution (ViTDet, section 3): blocks
            that are not in ``global_attn_indexes`` attend within windows, padded right and bottom. Bias tables of
            ``img_size`` serve windows of that size as they are, and are resized for the others. Needs
            ``with_cls_token=False``. Defaults to 0: no windows.
        global_attn_indexes (Sequence[int]): Blocks in which all tokens attend to all, if there are windows, counted
            from 0, or from the end below 0. Defaults to ().
        bias_resize (str): How bias tables are resized: ``'geometric'`` as official SimMIM, or ``'bicubic'``. Defaults
            to ``'geometric'``.
        init_cfg (dict, optional): MMEngine initialisation, e.g. ``dict(type='Pretrained', checkpoint=...,
            prefix='backbone.')``. Without it the official initialisation holds.

    Raises:
        ValueError: If an argument has a value that is not listed here, or values do not fit together.

    Examples:
        >>> import torch
        >>> from mmsimmim.models import VisionTransformer
        >>> backbone = VisionTransformer('deit-tiny', out_indices=(3, -1))
        >>> [tuple(x.shape) for x in backbone(torch.zeros(1, 3, 203, 334))]
        [(1, 192, 13, 21), (1, 192, 13, 21)]
    """

    required_parts = ('cls_token', 'pos_embed', 'patch_embed.', 'rel_pos_bias.', 'layers.')

    def __init__(self,
                 arch: str | dict = 'base',
                 img_size: int | tuple[int, int] = 224,
                 patch_size: int = 16,
                 in_channels: int = 3,
                 out_indices: int | Sequence[int] = -1,
                 drop_rate: float = 0.,
                 drop_path_rate: float = 0.1,
                 bias: bool | str = 'qv_bias',
                 norm_cfg: dict | None = None,
                 final_norm: bool = True,
                 out_type: str = 'featmap',
                 with_cls_token: bool = True,
                 frozen_stages: int = -1,
                 use_abs_pos_emb: bool = False,
                 use_rel_pos_bias: bool = False,
                 use_shared_rel_pos_bias: bool = True,
                 interpolate_mode: str = 'bicubic',
                 layer_scale_init_value: float = 0.1,
                 patch_cfg: dict | None = None,
                 layer_cfgs: dict | Sequence[dict] | None = None,
                 with_cp: bool | str = False,
                 window_size: int = 0,
                 global_attn_indexes: Sequence[int] = (),
                 bias_resize: str = 'geometric',
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.embed_dims, self.num_layers, num_heads, feedforward_channels = parse_arch(arch)
        self.in_channels = in_channels
        self.out_indices = check_out_indices(out_indices, self.num_layers)
        self.out_type = one_of('out_type', out_type, OUT_TYPES)
        self.interpolate_mode = one_of('interpolate_mode', interpolate_mode, ('bicubic', 'bilinear'))
        self.frozen_stages = check_frozen_stages(frozen_stages, self.num_layers)
        self.use_rel_pos_bias = use_rel_pos_bias
        self.with_cp = check_with_cp(with_cp)
        if use_rel_pos_bias and use_shared_rel_pos_bias:
            raise ValueError('use_rel_pos_bias and use_shared_rel_pos_bias cannot both be True: blocks have bias '
                             'tables of their own, or share one')
        if out_type == 'cls_token' and not with_cls_token:
            raise ValueError("out_type 'cls_token' needs with_cls_token=True")
        windows = check_windows(window_size, global_attn_indexes, self.num_layers)
        if any(windows) and with_cls_token:
            raise ValueError('window_size needs with_cls_token=False: a class token is in no window')

        norm_cfg = dict(type='LN', eps=1e-6) if norm_cfg is None else norm_cfg
        self.patch_embed = PatchEmbed(in_channels, self.embed_dims, parse_patch_size(patch_size), norm=False,
                                      pad=parse_patch_cfg(patch_cfg or {}) == 'corner')
        self.grid = self.patch_embed.grid(*size_pair(img_size))
        num_tokens = self.grid[0] * self.grid[1] + with_cls_token
        self.cls_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims)) if with_cls_token else None
        self.pos_embed = nn.Parameter(torch.zeros(1, num_tokens, self.embed_dims)) if use_abs_pos_emb else None
        self.drop_after_pos = nn.Dropout(drop_rate)
        self.rel_pos_bias = (
            RelativePositionBias(num_heads, self.grid, bias_resize) if use_shared_rel_pos_bias else None)
        defaults = dict(feedforward_channels=feedforward_channels, layer_scale_init_value=layer_scale_init_value,
                        drop_rate=drop_rate, attn_drop_rate=0., bias=bias, norm_cfg=norm_cfg)
        drop_paths = drop_path_rates(drop_path_rate, self.num_layers)
        self.layers = nn.ModuleList()
        for drop_path, window, own_cfg in zip(drop_paths, windows, check_layer_cfgs(layer_cfgs or {}, self.num_layers)):
            layer_cfg = {**defaults, 'drop_path_rate': drop_path, **own_cfg}
            norm_eps = parse_norm_cfg(layer_cfg.pop('norm_cfg'))
            self.layers.append(
                TransformerBlock(self.embed_dims, num_heads, self.grid, norm_eps=norm_eps, own_bias=use_rel_pos_bias,
                                 bias_resize=bias_resize, window_size=window, **layer_cfg))
        self.ln1 = nn.LayerNorm(self.embed_dims, parse_norm_cfg(norm_cfg)) if final_norm else None
        self.ln2 = nn.LayerNorm(self.embed_dims, parse_norm_cfg(norm_cfg)) if out_type == 'avg_featmap' else None
        initialise_vit(self)
        self._freeze()

    def add_mask_token(self) -> None:
        """Create the mask token, initialised as the rest of the ViT."""
        self.mask_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims))
        truncate_at_one_sigma(self.mask_token)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, ...]:
        """Encode images.

        Args:
            x (Tensor): Normalised images, shape (B, in_channels, H, W).
            mask (Tensor, optional): Shape (B, h, w) with h and w the rows and columns of patches, 1 = masked.

        Returns:
            tuple[Tensor]: For each of ``out_indices`` what ``out_type`` says; a map has shape (B, embed_dims, h, w).

        Raises:
            ValueError: If the images have other channels, the mask is not on the grid of tokens, or there is no
                mask token.
        """
        self._require_channels(x)
        x = self.patch_embed(x)
        if mask is not None:
            x = replace_masked_tokens(x, mask, self._require_mask_token())
        grid = (x.shape[1], x.shape[2])
        x = self._add_class_token_and_position(x.flatten(1, 2), grid)
        shared_biases = self._shared_biases(grid)
        outs = []
        for i, layer in enumerate(self.layers):
            shared_bias = shared_biases[layer.window_size]
            x = call_block(layer, self.with_cp, x, grid, shared_bias)
            if self.ln1 is not None and i == self.num_layers - 1:
                x = self.ln1(x)
            if i in self.out_indices:
                outs.append(self._format_output(x, grid))
            if i == self.out_indices[-1]:
                break
        return tuple(outs)

    def _add_class_token_and_position(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        if self.pos_embed is not None:
            x = x + resize_position_embedding(self.pos_embed, self.grid, grid, self.interpolate_mode)
        return self.drop_after_pos(x)

    def _shared_biases(self, grid: tuple[int, int]) -> dict[int, Tensor | ChunkedPositionBias | None]:
        """The shared bias of the blocks, by window size; 0 for no windows."""
        windows = {layer.window_size for layer in self.layers}
        if self.rel_pos_bias is None:
            return dict.fromkeys(windows)
        return {size: self.rel_pos_bias.position_bias_or_chunks((size, size) if size else grid) for size in windows}

    def _format_output(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        if self.out_type == 'raw':
            return x
        if self.out_type == 'cls_token':
            return x[:, 0]
        patches = x[:, -grid[0] * grid[1]:]
        if self.out_type == 'avg_featmap':
            return self.ln2(patches.mean(dim=1))
        return patches.unflatten(1, grid).permute(0, 3, 1, 2).contiguous()

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter for layer-wise learning rates (``get_vit_layer`` in the official ``optimizer.py``).

        Args:
            param_name (str): Name of the parameter.
            prefix (str): Prefix of the backbone's own names. Defaults to ''.

        Returns:
            tuple[int, int]: Depth, 0 at the embeddings, and the number of depths; whatever is no block or embedding,
            the shared bias table too, has the last.
        """
        num_depths = self.num_layers + 2
        name = param_name[len(prefix):].split('.') if param_name.startswith(prefix) else ['']
        if name[0] in ('patch_embed', 'cls_token', 'pos_embed', 'mask_token'):
            return 0, num_depths
        if name[0] == 'layers':
            return int(name[1]) + 1, num_depths
        return num_depths - 1, num_depths

    def _frozen_modules(self) -> Iterator[nn.Module]:
        if self.frozen_stages < 1:
            return
        yield self.patch_embed
        yield self.drop_after_pos
        yield from self.layers[:self.frozen_stages]
        if self.frozen_stages == self.num_layers:
            yield from (module for module in (self.rel_pos_bias, self.ln1, self.ln2) if module is not None)

    def _freeze(self) -> None:
        super()._freeze()
        if self.frozen_stages > 0:
            for parameter in (self.cls_token, self.pos_embed):
                if parameter is not None:
                    parameter.requires_grad_(False)

    def _adapt_state_dict(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        state_dict.pop(prefix + 'rel_pos_bias.relative_position_index', None)
        shared = f'{prefix}rel_pos_bias.{TABLE}'
        own = [f'{prefix}layers.{i}.attn.{TABLE}' for i in range(self.num_layers)]
        if self.use_rel_pos_bias and shared in state_dict and own[0] not in state_dict:
            state_dict.update(dict.fromkeys(own, state_dict.pop(shared)))
        if self.cls_token is None:
            state_dict.pop(prefix + 'cls_token', None)
        name = prefix + 'pos_embed'
        if self.pos_embed is not None and name in state_dict:
            try:
                state_dict[name] = fit_position_embedding(state_dict[name], self.grid, self.cls_token is not None,
                                                          self.interpolate_mode)
            except UserError as error:
                raise UserError(f'{name}: {error}') from error

    def _difference(self, report: LoadReport) -> str:
        return describe_new_norm(report) if self.out_indices[-1] == self.num_layers - 1 else ''
