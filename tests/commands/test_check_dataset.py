"""tools/dataset_converters/check_dataset.py: arguments, output, exit code. What it finds: tests/datasets/checks."""


import pytest

from mmsimmim.commands import check_dataset
from tests.commands.conftest import REPO
from tests.datasets.checks.synthetic import CocoFolder, PairFolder


@pytest.fixture
def run(tmp_path, capsys):
    """A function that checks a synthetic set and returns exit code and output, a line for each finding."""

    def run(folder, *options):
        folder.config().dump(tmp_path / 'config.py')
        try:
            check_dataset.main([str(tmp_path / 'config.py'), *options])
            code = 0
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().out.replace('\n    ', ' ')

    return run


@pytest.mark.parametrize('kind, needed, image', [
    (CocoFolder, 'train/2.png', 'train/2.png'), (PairFolder, 'labels/train/2.png', 'images/train/2.jpg')])
def test_exit_codes(run, tmp_path, kind, needed, image):
    folder = kind(tmp_path)
    code, output = run(folder)
    assert code == 0 and output.endswith('0 errors, 0 warnings\n')
    content = (tmp_path / needed).read_bytes()
    (tmp_path / needed).unlink()
    code, output = run(folder)
    assert code == 1 and ': 1 (' in output and '1 error, 0 warnings' in output
    (tmp_path / needed).write_bytes(content)
    (tmp_path / image).write_bytes((tmp_path / image).read_bytes()[:-400])
    assert run(folder)[0] == 0
    code, output = run(folder, '--images', '--workers', '2')
    assert code == 1 and f'images that cannot be read: 1 ({tmp_path / image}' in output


def test_options(run, tmp_path):
    folder = CocoFolder(tmp_path)
    code, output = run(folder, '--sample', '1', '--cfg-options', 'model.roi_head.bbox_head.num_classes=1')
    assert code == 1 and 'headers read of 1 of 4 images' in output
    assert 'model.roi_head.bbox_head.num_classes is 1. Set num_classes=2 there' in output
    assert run(folder, '--sample', '0')[0] == run(folder, '--workers', '0')[0] == 2
    with pytest.raises(SystemExit, match='does not exist'):
        check_dataset.main([str(tmp_path / 'none.py')])


@pytest.mark.parametrize('config', ['atss_swin-demo-w8_fpn_1xb2-140i_trees-256px.py',
                                    'upernet_swin-demo-w8_1xb12-40i_nuclei-128px.py'])
def test_the_demo_data_is_clean(monkeypatch, capsys, config):
    monkeypatch.chdir(REPO)
    check_dataset.main([f'configs/demo/{config}'])
    assert capsys.readouterr().out.endswith('0 errors, 0 warnings\n')
