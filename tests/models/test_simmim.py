"""SimMIM equals the official implementation, number by number."""

import pytest
import torch
from mmengine.structures import BaseDataElement

from mmsimmim.checkpoints import convert_state_dict
from tests.golden import below, relative_error, simmim_swin


@pytest.mark.parametrize('with_cp', [False, True])
def test_swin_equals_official(with_cp):
    model, golden = simmim_swin(with_cp=with_cp)
    images, mask = golden['input'], golden['mask']

    assert relative_error(model.backbone(images, mask)[-1], golden['latent']) < 1e-6
    assert relative_error(model.reconstruct(images, mask), golden['reconstruction']) < 1e-6
    loss = model.masked_loss(images, mask)
    assert relative_error(loss, golden['loss']) < 1e-6

    loss.backward()
    gradients = convert_state_dict({name: p.grad for name, p in model.named_parameters()}, to='official')
    expected = below(golden, 'grad/')
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        assert relative_error(gradients[name], gradient) < 1e-6, name
