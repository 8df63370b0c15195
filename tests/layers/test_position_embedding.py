"""Position embeddings of other grids and with or without a class token."""

import pytest
import torch
import torch.nn.functional as F

from mmsimmim.layers import fit_position_embedding, resize_position_embedding


@pytest.mark.parametrize('mode', ['bicubic', 'bilinear'])
@pytest.mark.parametrize('extra', [0, 1])
def test_patches_are_interpolated_as_an_image(extra, mode):
    embedding = torch.randn(1, extra + 6, 4)
    resized = resize_position_embedding(embedding, (2, 3), (5, 4), mode)
    image = embedding[:, extra:].reshape(1, 2, 3, 4).permute(0, 3, 1, 2)
    image = F.interpolate(image, (5, 4), mode=mode)
    assert torch.equal(resized[:, :extra], embedding[:, :extra])
    torch.testing.assert_close(resized[:, extra:], image.permute(0, 2, 3, 1).reshape(1, 20, 4))
    assert resize_position_embedding(embedding, (2, 3), (2, 3), mode) is embedding


def test_class_token_is_left_out_where_there_is_none():
    embedding = torch.randn(1, 1 + 9, 4)
    assert torch.equal(fit_position_embedding(embedding, (3, 3), class_token=True), embedding)
    assert torch.equal(fit_position_embedding(embedding, (3, 3), class_token=False), embedding[:, 1:])
    assert torch.equal(fit_position_embedding(embedding[:, 1:], (3, 3), class_token=False), embedding[:, 1:])
    resized = resize_position_embedding(embedding, (3, 3), (2, 6))
    assert torch.equal(fit_position_embedding(embedding, (2, 6), class_token=True), resized)
    assert torch.equal(fit_position_embedding(embedding, (2, 6), class_token=False), resized[:, 1:])


@pytest.mark.parametrize('class_token', [False, True])
@pytest.mark.parametrize('grid', [(5, 10), (5, 13), (10, 17), (3, 5)])
def test_what_fits_the_grid_is_taken_as_it_is(grid, class_token):
    """Though 5 x 10 tokens could be 7 x 7 and a class token."""
    embedding = torch.randn(1, grid[0] * grid[1] + class_token, 4)
    assert torch.equal(fit_position_embedding(embedding, grid, class_token), embedding)


@pytest.mark.parametrize('length, class_token', [(9, True), (12, True), (12, False)])
def test_what_fits_no_image_is_refused(length, class_token):
    with pytest.raises(ValueError, match=f'{length} position embeddings'):
        fit_position_embedding(torch.zeros(1, length, 4), (4, 4), class_token)
