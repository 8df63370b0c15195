"""Load exported encoders into the stock Swin of mmdet and mmsegmentation, in a process that knows nothing of mmsimmim.

Of mmcv's compiled operators, which mmcv-lite lacks and without which ``mmdet.models`` does not import, there is an
empty module; Swin uses none. mmpretrain, which both packages do without, is hidden, as it does not import beside a new
transformers.
"""

import importlib.machinery
import importlib.util
import sys
import types


class Nothing(types.ModuleType):
    """Has every name, and None under it."""

    def __getattr__(self, name: str) -> None:
        if name.startswith('__'):
            raise AttributeError(name)


if importlib.util.find_spec('mmcv._ext') is None:
    sys.modules['mmcv._ext'] = Nothing('mmcv._ext')
    sys.modules['mmcv._ext'].__spec__ = importlib.machinery.ModuleSpec('mmcv._ext', None)
sys.modules['mmpretrain'] = None

import mmdet.models  # noqa: E402, F401
import mmseg.models  # noqa: E402, F401
import torch  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402

folder = sys.argv[1]
request = torch.load(f'{folder}/request.pth', weights_only=True)
answer = {}
for framework in ('mmdet', 'mmseg'):
    path = f'{folder}/{framework}.pth'
    for window_size in (6, 7):
        with DefaultScope.overwrite_default_scope(framework):
            backbone = MODELS.build(ConfigDict(
                type='SwinTransformer', **request['arch'], window_size=window_size, drop_path_rate=0.,
                init_cfg=dict(type='Pretrained', checkpoint=path)))
            backbone.init_weights()
        given = torch.load(path, weights_only=True)['state_dict']
        own = {f'backbone.{name}': value for name, value in backbone.named_parameters()}
        backbone.double().eval()
        with torch.no_grad():
            maps = backbone(request['images'])
        answer[framework, window_size] = dict(
            maps=maps,
            not_given=[name for name in own if name not in given],
            not_loaded=[name for name in given if name not in own],
            other_values=[name for name in own if name in given and not torch.equal(own[name].float(), given[name])])
assert 'mmsimmim' not in sys.modules
torch.save(answer, f'{folder}/answer.pth')
