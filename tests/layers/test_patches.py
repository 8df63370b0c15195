"""Splitting of tokens against loops, and against merging, of which it is the inverse arrangement."""

import torch
from torch import nn

from mmsimmim.layers import PatchMerging, PatchSplitting
from tests.golden import relative_error


def test_splitting_equals_its_definition():
    torch.manual_seed(0)
    splitting = PatchSplitting(6).double()
    for parameter in splitting.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    weight, bias, expansion = splitting.parameters()
    expected = x.new_empty(2, 6, 10, 3)
    for row in range(3):
        for col in range(5):
            token = x[:, row, col]
            mean, variance = token.mean(-1, keepdim=True), token.var(-1, unbiased=False, keepdim=True)
            numbers = ((token - mean) / (variance + 1e-5).sqrt() * weight + bias) @ expansion.T
            for i in range(2):
                for j in range(2):
                    expected[:, 2 * row + i, 2 * col + j] = numbers[:, [2 * i + j, 4 + 2 * i + j, 8 + 2 * i + j]]
    assert relative_error(splitting(x), expected) < 1e-12


def test_splitting_undoes_merging():
    """Without norms and with the inverse of the projection, on maps that merging can tell apart."""
    torch.manual_seed(0)
    merging, splitting = PatchMerging(3).double(), PatchSplitting(6).double()
    merging.norm = splitting.norm = nn.Identity()
    splitting.expansion.weight.data = torch.linalg.pinv(merging.reduction.weight.data)
    coarse = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    fine = splitting(coarse)
    assert fine.shape == (2, 6, 10, 3)
    assert relative_error(merging(fine), coarse) < 1e-10
    assert relative_error(splitting(merging(fine)), fine) < 1e-10


def test_splitting_halves_what_merging_doubles():
    """As many parameters as the merging that it stands for, but for the norm of fewer channels."""
    merging, splitting = PatchMerging(4), PatchSplitting(8)
    assert splitting.expansion.weight.shape == merging.reduction.weight.T.shape
    assert splitting(merging(torch.zeros(1, 6, 4, 4))).shape == (1, 6, 4, 4)
