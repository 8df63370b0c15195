"""The module that takes the place of ``mmcv._ext``."""

import importlib
import importlib.machinery
import importlib.util
import sys
from types import ModuleType

import pytest
import torch

from mmsimmim.compat import mmcv_extension, mmcv_ops, stacks
from tests.compat.mmcv_ops.stand_in import ROIS, ops, random_boxes


def test_unsupported_op_resolves_and_raises_with_its_name_and_the_cure_when_called():
    extension = sys.modules['mmcv._ext']
    op = extension.carafe_forward
    with pytest.raises(mmcv_ops.UnsupportedOpError, match="'carafe_forward'.*pip install --no-build-isolation"):
        op(1, two=2)


@pytest.mark.parametrize(
    'name, command',
    [
        ('mmcv-lite', "pip uninstall -y mmcv-lite && pip install .* --no-binary mmcv 'mmcv==2.1.0'"),
        ('onedl-mmcv', "pip install .* --force-reinstall 'onedl-mmcv==2.3.6'"),
    ],
)
def test_cure_is_that_of_the_family_that_is_installed(name, command, monkeypatch):
    monkeypatch.setattr(stacks, 'installed_version', lambda distribution: '1.0' if distribution == name else None)
    with pytest.raises(mmcv_ops.UnsupportedOpError, match=command):
        sys.modules['mmcv._ext'].carafe_forward()


MAPS, REGION = torch.zeros(1, 4, 8, 8), torch.zeros(1, 5)
WITHOUT_COUNTERPART = {  # all that models of mmdet and mmseg ask for, and the two other poolings of mmcv
    'nms_match': lambda: ops.nms_match(torch.rand(3, 5), 0.5),
    'masked_im2col_forward': lambda: ops.MaskedConv2d(4, 2, 3)(MAPS, torch.ones(1, 8, 8)),
    'carafe_forward': lambda: ops.CARAFEPack(4, 2)(MAPS),
    'psamask_forward': lambda: ops.PSAMask('collect', (3, 3))(torch.zeros(1, 9, 8, 8)),
    'roi_pool_forward': lambda: ops.RoIPool(2)(MAPS, REGION),
    'deform_roi_pool_forward': lambda: ops.DeformRoIPool(2)(MAPS, REGION),
    'prroi_pool_forward': lambda: ops.PrRoIPool(2)(MAPS, REGION),
}


@pytest.mark.parametrize('name', WITHOUT_COUNTERPART)
def test_operators_without_a_counterpart_say_so_when_they_are_called(name):
    with pytest.raises(mmcv_ops.UnsupportedOpError, match=f"'{name}' of mmcv needs its compiled extension"):
        WITHOUT_COUNTERPART[name]()


def test_operators_that_mmcv_writes_in_python_run():
    x = torch.arange(36.0).view(1, 1, 6, 6)
    assert torch.equal(ops.CornerPool('top')(x), x[:, :, 5:].expand(-1, -1, 6, -1))
    assert ops.point_sample(x, torch.tensor([[[0.25, 0.25]]])).item() == 7.0
    assert ops.CrissCrossAttention(8)(MAPS.repeat(1, 2, 1, 1)).shape == (1, 8, 8, 8)
    assert ops.SAConv2d(4, 2, 3, padding=1, use_deform=True)(MAPS).shape == (1, 2, 8, 8)


def test_module_passes_for_a_real_one():
    import mmcv
    from mmcv.utils.ext_loader import load_ext

    extension = sys.modules['mmcv._ext']
    assert importlib.util.find_spec('mmcv._ext') is extension.__spec__
    assert extension.__spec__.loader is not None
    assert mmcv._ext is extension
    assert load_ext('_ext', ['nms', 'roi_pool_forward']) is extension
    assert not hasattr(extension, '__path__')
    assert ops.get_compiler_version() == ops.get_compiling_cuda_version() == 'n/a'


def test_apply_twice_keeps_the_module():
    extension, finders = sys.modules['mmcv._ext'], list(sys.meta_path)
    mmcv_extension.apply()
    assert sys.meta_path == finders
    assert importlib.import_module('mmcv._ext') is extension


def test_steps_aside_for_an_extension_that_is_installed(monkeypatch):
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return importlib.machinery.ModuleSpec(name, None, origin='installed') if name == 'mmcv._ext' else None

    monkeypatch.delitem(sys.modules, 'mmcv._ext')
    assert importlib.util.find_spec('mmcv._ext').origin == mmcv_extension.__name__
    monkeypatch.setattr(sys, 'meta_path', [Finder, *sys.meta_path])
    assert importlib.util.find_spec('mmcv._ext').origin == 'installed'


def test_steps_aside_for_an_extension_that_is_loaded(monkeypatch):
    loaded = ModuleType('mmcv._ext')
    monkeypatch.setitem(sys.modules, 'mmcv._ext', loaded)
    mmcv_extension.apply()
    assert importlib.import_module('mmcv._ext') is loaded
    assert not hasattr(loaded, 'nms')


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_gpu_equals_cpu():
    generator = torch.Generator().manual_seed(9)
    boxes, scores = random_boxes(200, generator), torch.rand(200, generator=generator)
    assert ops.nms(boxes.cuda(), scores.cuda(), 0.5)[1].tolist() == ops.nms(boxes, scores, 0.5)[1].tolist()

    features, rois = torch.randn(3, 2, 9, 8, generator=generator), torch.tensor(ROIS)
    grads, outputs = [], []
    for device in ('cpu', 'cuda'):
        leaf = features.to(device).requires_grad_()
        output = ops.roi_align(leaf, rois.to(device), (3, 4), 0.25, 0, 'avg', True)
        (output * output).sum().backward()
        outputs.append(output.detach().cpu())
        grads.append(leaf.grad.cpu())
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*grads)
