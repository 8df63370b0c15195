"""Published figures are the same in the tables of the READMEs and in the metafiles."""

import re
from pathlib import Path

import pytest
import yaml

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def columns(folder):
    """For each config the cells of its row, by the heads of the table."""
    rows, heads = {}, []
    for line in (CONFIGS / folder / 'README.md').read_text().splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        if line.startswith('| config |'):
            heads = cells
        elif line.startswith('| ['):
            rows |= {name: dict(zip(heads, cells)) for name in re.findall(r'\]\(([^)/]+)\.py\)', line)}
    return rows


@pytest.mark.parametrize('folder, key, head', [
    ('cls', 'Top 1 Accuracy', 'top-1: published'), ('det', 'box AP', 'box / mask AP: published'),
    ('pretrain', 'Validation Loss', 'held-out loss: published'), ('seg', 'mIoU', 'mIoU')])
def test_metafiles_have_what_readmes_have(folder, key, head):
    models = yaml.safe_load((CONFIGS / folder / 'metafile.yml').read_text())['Models']
    assert all(model['Results'] is None for model in models)
    published = {model['Name']: model['Metadata'].get('Published', {}) for model in models}
    cells = {name: next((row[title] for title in row if title.startswith(head)), '')
             for name, row in columns(folder).items()}
    found = {name: re.match(r'\d[\d.]*', cell) for name, cell in cells.items()}
    expected = {name: float(number[0]) for name, number in found.items() if number}
    ours = {name: values[key] for name, values in published.items() if key in values}
    if folder == 'seg':  # known only of those that were fine-tuned first
        expected = {name: value for name, value in expected.items() if re.search('ft1k|sup-30e', name)}
    if folder == 'det':  # in a table of its own
        assert ours.pop('htc_swinv2-giant-w32-fpn_96xb1-amp-fsdp-45000i_coco-1536px_simmim-20e-sup-30e-o365') == 61.7
    assert expected == ours and expected
    assert all(values['Source'] for values in published.values() if values)
