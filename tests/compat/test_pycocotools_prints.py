"""An annotation file takes one line of the log."""

import json

import pytest
from mmengine.logging import MMLogger

import mmsimmim  # noqa: F401


@pytest.mark.parametrize('name', ['COCO', 'COCOPanoptic'])
def test_annotation_files_take_a_line_each(tmp_path, monkeypatch, capsys, name):
    api_wrappers = pytest.importorskip('mmdet.datasets.api_wrappers')
    logger = MMLogger(f'coco_{name}', log_file=str(tmp_path / 'run.log'))
    monkeypatch.setattr(MMLogger, '_instance_dict', {logger.instance_name: logger})
    segments = [dict(id=1, category_id=1, iscrowd=0, area=1, bbox=[0, 0, 1, 1]) for _ in range(2)]
    annotations = [dict(id=number, image_id=number, file_name='x.png', segments_info=segments, category_id=1)
                   for number in range(3)]
    content = dict(images=[dict(id=number, file_name=f'{number}.jpg') for number in range(3)], annotations=annotations,
                   categories=[dict(id=1, name='x')])
    path = tmp_path / 'instances.json'
    path.write_text(json.dumps(content))
    coco = getattr(api_wrappers, name)(str(path))
    assert len(coco.get_img_ids()) == 3
    line, = (tmp_path / 'run.log').read_text().splitlines()
    assert f'INFO - Read {path} in ' in line and f': 3 images, {len(coco.anns)} annotations' in line
    assert 'index' not in capsys.readouterr().out
    assert getattr(api_wrappers, name)().dataset == {}
    assert (tmp_path / 'run.log').read_text().count('\n') == 1
