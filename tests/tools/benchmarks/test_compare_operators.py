"""The comparison of the stand-ins with mmcv's operators, all but the compiling."""

import tarfile
from types import SimpleNamespace

import pytest
import torch

from mmsimmim.compat.mmcv_ops import SUPPORTED
from mmsimmim.errors import UserError
from tests.tools.benchmarks.benchmark_scripts import load_script

comparison = load_script('operators.comparison')
compile_mmcv = load_script('operators.compile_mmcv')

STAND_INS = SimpleNamespace(**{function.__name__: function for function in SUPPORTED})
PYBIND = """
Tensor nms(Tensor boxes, Tensor scores, float iou_threshold, int offset);
Tensor nms_rotated(const Tensor dets);

void softnms_like(Tensor boxes,
                  int offset);
PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("nms", &nms, "nms (CPU/CUDA) ", py::arg("boxes"), py::arg("scores"),
        py::arg("iou_threshold"), py::arg("offset"));
  m.def("nms_rotated", &nms_rotated, "rotated", py::arg("dets"));
  m.def("softnms_like", &softnms_like, "like", py::arg("boxes"));
}
"""


def changed(**functions):
    return SimpleNamespace(**{**vars(STAND_INS), **functions})


def test_bindings_are_those_of_the_operators_alone():
    text = compile_mmcv.bindings(PYBIND, ('nms', 'softnms_like'))
    assert 'Tensor nms(Tensor boxes, Tensor scores, float iou_threshold, int offset);' in text
    assert 'm.def("softnms_like", &softnms_like, "like", py::arg("boxes"));' in text
    assert 'rotated' not in text
    with pytest.raises(UserError, match="'softnms' is not in the pybind.cpp"):
        compile_mmcv.bindings(PYBIND, ('softnms',))


def test_source_is_a_folder_or_an_archive(tmp_path):
    csrc = tmp_path / 'mmcv-9.1' / 'mmcv' / 'ops' / 'csrc' / 'pytorch'
    csrc.mkdir(parents=True)
    (csrc / 'pybind.cpp').write_text(PYBIND)
    (tmp_path / 'mmcv-9.1' / 'PKG-INFO').write_text('Metadata-Version: 2.1\nName: mmcv\nVersion: 9.1\n')
    archive = tmp_path / 'mmcv.tar.gz'
    with tarfile.open(archive, 'w:gz') as packed:
        packed.add(tmp_path / 'mmcv-9.1', 'mmcv-9.1')

    for given in (tmp_path / 'mmcv-9.1', tmp_path / 'mmcv-9.1' / 'mmcv', archive):
        package = compile_mmcv.find_source(given, tmp_path / 'scratch')
        assert (package / 'ops').is_dir()
        assert compile_mmcv.source_version(package) == 'mmcv 9.1'
    with pytest.raises(UserError, match='takes a source of mmcv'):
        compile_mmcv.find_source(csrc, tmp_path / 'scratch')
    with pytest.raises(UserError, match='does not exist'):
        compile_mmcv.find_source(tmp_path / 'absent', tmp_path / 'scratch')


def test_installed_source_has_all_operators(tmp_path):
    package = compile_mmcv.find_source(None, tmp_path)
    text = compile_mmcv.bindings((package / 'ops' / 'csrc' / 'pytorch' / 'pybind.cpp').read_text())
    assert all(f'm.def("{name}"' in text for name in compile_mmcv.OPERATORS)


def test_an_implementation_equals_itself_in_every_row():
    for row in comparison.all_rows():
        row.cases = row.cases[:1]
        outcome = comparison.compare(row, STAND_INS, STAND_INS)
        assert (outcome.same_bits, outcome.apart, outcome.largest) == (1, 0, 0.0), row
        refused = 'offsets larger' in row.what and row.operator == 'deform_conv' or 'smaller' in row.what
        assert outcome.refused == refused, row
        assert comparison.verdict(row, outcome) == ('both refuse' if refused else 'equal')


def test_other_indices_other_numbers_and_a_refusal_are_seen():
    def looser_nms(boxes, scores, iou_threshold, offset):
        return STAND_INS.nms(boxes, scores, iou_threshold + 0.05, offset)

    def scaled_loss(input, target, weight, output, gamma, alpha):
        STAND_INS.sigmoid_focal_loss_forward(input, target, weight, output, gamma, alpha)
        output *= 1.01

    def refusing(*args, **kwargs):
        raise RuntimeError

    by_operator = {row.operator: row for row in reversed(comparison.all_rows())}
    for row in by_operator.values():
        row.cases = row.cases[:20]
    other = changed(nms=looser_nms, sigmoid_focal_loss_forward=scaled_loss, roi_align_forward=refusing)
    outcomes = {name: comparison.compare(row, other, STAND_INS) for name, row in by_operator.items()}
    assert outcomes['nms'].apart > 0 and outcomes['nms'].largest == float('inf')
    assert outcomes['sigmoid_focal_loss'].largest == pytest.approx(0.01, rel=0.02)
    assert outcomes['sigmoid_focal_loss'].apart == 20
    assert outcomes['roi_align'].apart == outcomes['roi_align'].cases == 20
    assert outcomes['soft_nms'].apart == 0

    lines = comparison.table(list(by_operator.values()), list(outcomes.values())).splitlines()
    assert lines[0].startswith('| operator | cases | number | same bits | largest difference |')
    assert any(line.startswith('| roi_align |') and line.endswith('| 20 differ |') for line in lines)


def test_the_command_prints_the_table_and_fails_on_what_is_not_known(monkeypatch, capsys):
    def refusing(*args, **kwargs):
        raise RuntimeError

    compare = load_script('operators.compare')
    row = next(row for row in comparison.all_rows() if row.operator == 'roi_align')
    row.cases = row.cases[:1]
    monkeypatch.setattr(comparison, 'ROWS', (lambda: [row], ))
    monkeypatch.setattr('sys.argv', ['compare.py'])
    monkeypatch.setattr(compare, 'build', lambda package, folder, verbose: STAND_INS)
    assert compare.main() == 0
    assert '; 1 cases.' in (text := capsys.readouterr().out) and '| 1 | 1 | 0 | equal |' in text
    monkeypatch.setattr(compare, 'build', lambda package, folder, verbose: changed(roi_align_forward=refusing))
    assert compare.main() == 1
    row.known = 'a reason'
    assert compare.main() == 0


def test_a_float16_row_gives_the_other_float32():
    given = []

    def doubled(source, target, factor):
        given.append(source.dtype)
        target.copy_(source * factor)

    source, target = torch.tensor([1.0, 2.0], dtype=torch.float16), torch.zeros(2, dtype=torch.float16)
    comparison.InFloat32(SimpleNamespace(doubled=doubled)).doubled(source, target, factor=2)
    assert given == [torch.float32] and target.tolist() == [2, 4]
    assert source.tolist() == [1, 2]


def test_difference_is_relative_to_the_largest_value():
    assert comparison.difference(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 4.4])) == pytest.approx(0.1)
    assert comparison.difference(torch.tensor([1.0, torch.nan]), torch.tensor([1.0, torch.nan])) == 0
    assert comparison.difference(torch.tensor([1.0, torch.nan]), torch.tensor([1.0, 2.0])) == float('inf')
    assert comparison.difference(torch.tensor([1, 2]), torch.tensor([1, 3])) == float('inf')
