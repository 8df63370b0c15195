"""What is asked for by options and what is set in the config lead to one recipe."""

from types import SimpleNamespace

import pytest

from mmsimmim.architectures import SWIN, VIT
from mmsimmim.commands.config.loading import read_with_options
from mmsimmim.commands.pretraining.architectures import architecture, default_architecture, names
from mmsimmim.commands.pretraining.asked import asked_architecture, asked_recipe, check_names
from mmsimmim.commands.pretraining.choose import choose, options_of
from mmsimmim.commands.pretraining.write import NAME, as_command_line, write_config
from mmsimmim.errors import UserError
from mmsimmim.recipes import Encoder, Machine

FOUND = SimpleNamespace(num_training=5_000, sizes=[(300, 250)] * 10)
CPU = Machine(precision='fp32')


def built(encoder, tmp_path, settings=None):
    """The config for an encoder."""
    recipe = choose(FOUND, encoder, CPU, epochs=1)
    options = {**options_of(recipe, encoder), 'data_root': str(tmp_path), **(settings or {})}
    write_config(encoder.config, options, tmp_path, [])
    return read_with_options(str(tmp_path / NAME), {})[0].model


class TestNames:

    def test_each_is_an_encoder_whose_config_builds_it(self, tmp_path):
        assert {'swin-atto', 'swin-tiny', 'swinv2-giant', 'vit-tiny', 'vit-small', 'vit-base'} <= set(names())
        assert architecture('ViT_Small').arch == 'deit-small' and len(set(names())) == len(names()) == 23
        for name in names():
            encoder = architecture(name)
            assert encoder.encoder == Encoder.of(encoder.family, encoder.arch)
            if name in ('swin-atto', 'swinv2-large', 'vit-tiny'):
                model = built(encoder, tmp_path)
                assert model.backbone.arch == encoder.arch
                assert (model.neck.in_channels, model.neck.encoder_stride) == (
                    encoder.encoder.channels, encoder.encoder.stride)

    @pytest.mark.parametrize('name, hint', [('swin-tinny', 'swin-tiny'), ('resnet-50', 'There are swin-atto')])
    def test_others_are_refused_with_those_that_are_alike(self, name, hint):
        with pytest.raises(UserError, match=hint):
            architecture(name)

    @pytest.mark.parametrize('images, cpu, gpu', [
        (30, 'swin-atto', 'swin-atto'), (700, 'swin-femto', 'swin-femto'), (1_500, 'swin-femto', 'swin-nano'),
        (50_000, 'swin-femto', 'swin-tiny')])
    def test_where_none_is_given_it_fits_images_and_device(self, images, cpu, gpu):
        assert (default_architecture(images, True).name, default_architecture(images, False).name) == (cpu, gpu)


class TestArchitecture:

    def asked(self, name=None, **settings):
        return asked_architecture(name, {key.replace('__', '.'): value for key, value in settings.items()}, 5_000, True)

    def test_it_may_be_set(self):
        assert self.asked()[1:3] == ('swin', 'femto') and self.asked(arch='nano').arch == 'nano'
        assert self.asked('swinv2-tiny', arch='tiny') == architecture('swinv2-tiny')
        with pytest.raises(UserError, match='name two encoders'):
            self.asked('swin-tiny', arch='nano')
        with pytest.raises(UserError, match='by --arch'):
            self.asked(model__backbone__arch='nano')

    def test_numbers_of_it_may_be_set_and_the_rest_follows(self, tmp_path):
        settings = {'model.backbone.arch.embed_dims': 32, 'model.backbone.arch.depths': [1, 1, 2]}
        settings['model.backbone.arch.num_heads'] = [1, 2, 4]
        narrow = asked_architecture('swin-tiny', settings, 5_000, True)
        assert (narrow.encoder.stride, narrow.encoder.channels, narrow.encoder.width) == (16, 128, 32)
        model = built(narrow, tmp_path, settings)
        assert dict(model.backbone.arch) == dict(SWIN['tiny'], embed_dims=32, depths=[1, 1, 2], num_heads=[1, 2, 4])
        assert (model.neck.in_channels, model.neck.encoder_stride, model.backbone.out_indices) == (128, 16, (2, ))

    def test_the_mlps_of_a_vit_stay_as_wide(self, tmp_path):
        narrow = asked_architecture('vit-tiny', {'model.backbone.arch.embed_dims': 96}, 5_000, True)
        model = built(narrow, tmp_path, {'model.backbone.arch.embed_dims': 96})
        assert dict(model.backbone.arch) == dict(VIT['deit-tiny'], embed_dims=96, feedforward_channels=384)
        assert narrow.encoder.parameters == Encoder.of('vit', dict(model.backbone.arch)).parameters


class TestRecipe:

    def recipe(self, settings, **asked):
        asked, machine = asked_recipe(asked, settings, CPU)
        return choose(FOUND, architecture('swin-atto'), machine, **asked)

    def test_what_is_set_counts_as_if_it_were_asked_for(self):
        assert self.recipe(dict(img_size=160)) == self.recipe({}, img_size=160)
        recipe = self.recipe(dict(img_size=128, mask_patch_size=32, mask_ratio=0.75, lr=1e-3, precision='bf16'))
        assert (recipe.img_size, recipe.mask_patch_size, recipe.mask_ratio) == (128, 32, 0.75)
        assert (recipe.lr, recipe.precision) == (1e-3, 'bf16') and 'as asked for' in recipe.reasons[2]
        with pytest.raises(UserError, match='--img-size and --set img_size=... say the same'):
            self.recipe(dict(img_size=128), img_size=128)
        with pytest.raises(UserError, match='must be a multiple of 32'):
            self.recipe(dict(img_size=100))

    def test_iterations_are_steps_in_parts(self):
        whole, parts = self.recipe(dict(max_iters=1000)), self.recipe(dict(max_iters=1000), batch_size=256)
        assert (whole.accumulation, whole.steps) == (1, 1000)
        assert parts.accumulation == 4 and parts.steps == 250 and parts.warmup == 25
        with pytest.raises(UserError, match='--epochs and --set max_iters'):
            self.recipe(dict(max_iters=1000), epochs=3)


class TestMistakes:

    @pytest.mark.parametrize('settings, message', [
        ({'max_iter': 5}, 'set max_iter=...: there is no such variable in .* Did you mean max_iters'),
        ({'optim_wrapper.optimizer.lr': 0.1}, 'set lr, which the rest of the recipe follows'),
        ({'train_cfg.max_iters': 5}, 'set max_iters'),
    ])
    def test_names_are_refused_before_the_images_are_looked_at(self, settings, message):
        with pytest.raises(UserError, match=message):
            check_names(None, settings, None)
        check_names('swin-tiny', {'lr': 1e-3, 'window_size': 4, 'load_from': 'x', 'model.backbone.with_cp': True}, None)

    @pytest.mark.parametrize('settings, asked, message', [
        (dict(accumulative_counts=4), {}, 'accumulative_counts=... needs batch_size='),
        (dict(accumulative_counts='x', batch_size=8), {}, 'accumulative_counts must be a whole number from 1 on'),
        (dict(max_iters=5), dict(epochs=2), '--epochs and --set max_iters=... both say'),
    ])
    def test_settings_that_do_not_go_together(self, settings, asked, message):
        with pytest.raises(UserError, match=message):
            asked_recipe(asked, settings, CPU)

    def test_numbers_of_an_encoder_are_whole(self):
        with pytest.raises(UserError, match="embed_dims of a swin must be whole numbers from 1 on, got 'wide'"):
            assert asked_architecture('swin-tiny', {'model.backbone.arch.embed_dims': 'wide'}, 100, True).encoder


def test_the_command_in_a_config_of_ones_own_names_it(tmp_path):
    assert as_command_line('pretrain/sized/simmim_swin_amp-coslr_folder.py', {}).startswith(
        'mmsimmim train mmsimmim::pretrain/sized/')
    own = str(tmp_path / 'my config.py')
    assert as_command_line(own, dict(lr=1)) == f"mmsimmim train '{own}' --cfg-options lr=1"
    assert as_command_line('mmsimmim::x.py', {}).startswith('mmsimmim train mmsimmim::x.py')
