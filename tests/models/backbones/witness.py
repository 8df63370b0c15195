"""Comparing an encoder with another library's."""

import torch

from tests.golden import relative_error


def randomised(model, seed=0):
    """Every parameter drawn at random, so that nothing hides behind an initial zero or one."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 2
    model.double().eval()  # mmpretrain's returns None
    return model


def assert_same_maps(ours, theirs, size, tolerance=1e-6):
    """Load theirs into ours, strictly, and compare the maps of all stages."""
    ours.double().eval().load_state_dict(theirs.state_dict(), strict=True)
    images = torch.randn(1, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        for map_ours, map_theirs in zip(ours(images), theirs(images), strict=True):
            assert relative_error(map_ours, map_theirs) < tolerance
