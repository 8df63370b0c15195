"""The three lines and the warnings of a recipe: each warning where it belongs, and nowhere else."""

import json

import pytest

from mmsimmim.recipes import Encoder, Machine, choose_recipe

SMALL = Encoder.of('swin', dict(embed_dims=24, depths=[2, 2, 2, 2], num_heads=[1, 2, 4, 8]))
PHOTOS = [(160, 213)] * 3


def told(num_images=1500, image_sizes=PHOTOS, encoder=SMALL, machine=None, **given):
    return choose_recipe(num_images, image_sizes, encoder, machine, **given).warnings


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(num_images=60), '60 images: 30 were too few'),
    (dict(encoder=Encoder.of('swin', 'base')), '86.5 million weights'),
    (dict(image_sizes=[(40, 40)], mask_patch_size=16), 'fewer than 4 patches of 16 px'),
    (dict(image_sizes=[(40, 40)], encoder=Encoder.of('vit', 'deit-tiny')), 'fewer than 4 patches'),
    (dict(image_sizes=[(20, 20)]), '20 px or less on their shorter side and are enlarged to 32 px'),
    (dict(image_sizes=[(200, 200)] * 7 + [(60, 60)] * 3), '30 % of the images are less than half as large'),
    (dict(image_sizes=[(10_000, 8_000)] + PHOTOS), '25 % of the images have more than 67,108,864 pixels'),
    (dict(image_sizes=[(200, 500)]), '2.5 times as long as wide: a crop has at most 53 %'),
    (dict(image_sizes=[(960, 960)], object_size=30), 'Objects of 30 px are smaller than a token'),
    (dict(steps=40), '40 steps: this is too short'),
    (dict(hours=0.001, machine=Machine(images_per_second=100)), 'the time is too short'),
    (dict(batch_size=4), 'A batch of 4 is smaller'),
    (dict(num_images=10**7, machine=Machine(images_per_second=100)), 'days on this machine'),
])
def test_each_warning_has_its_case(settings, message):
    assert any(message in warning for warning in told(**settings))


def test_nothing_is_wrong_with_a_folder_of_photographs():
    assert not told()
    assert not told(350)


def test_three_lines_say_what_was_chosen():
    machine = Machine(cores=2, images_per_second=400)
    recipe = choose_recipe(350, PHOTOS, SMALL, machine, hours=0.1)
    images, length, rate = recipe.reasons
    assert images == ('350 images of about 160 x 213 px: crops of 96 px with 67 to 100 % of an image, 60 % of the '
                      '16 px patches masked.')
    assert length.startswith(f'{recipe.steps:,} steps of {recipe.batch_size} images, ')
    assert '0.1 h at 400 images/s' in length and 'about ' in length
    assert f'Learning rate {recipe.lr:.2g}' in rate and f'{recipe.warmup:,} steps of warm-up' in rate
    assert all('\n' not in line and len(line) < 220 for line in recipe.reasons)
    assert 'as asked for' in choose_recipe(350, PHOTOS, SMALL, epochs=5).reasons[1]
    assert 'as asked for' in choose_recipe(350, PHOTOS, SMALL, lr=1e-3).reasons[2]
    assert 'in 16 parts' in choose_recipe(1_281_167, PHOTOS, SMALL, Machine(cores=2)).reasons[1]
    assert choose_recipe(1).reasons[0].startswith('1 image: ')


def test_a_recipe_can_be_written_as_json():
    recipe = choose_recipe(350, PHOTOS, SMALL)
    written = json.loads(json.dumps(recipe.to_dict()))
    assert all(written[name] == getattr(recipe, name) for name in ('lr', 'max_iters', 'epochs', 'images_seen'))


def test_from_a_checkpoint_few_images_are_enough():
    new, pretrained = (' '.join(choose_recipe(60, epochs=9000, pretrained=known).warnings) for known in (False, True))
    assert 'too few' in new and 'by heart' in new
    assert 'too few' not in pretrained and 'by heart' not in pretrained
