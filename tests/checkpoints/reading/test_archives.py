"""Archives that readers of zip files understand differently, or that unfold."""

import io
import struct
import warnings
import zipfile

import pytest
import torch

from mmsimmim.checkpoints import read_checkpoint
from mmsimmim.errors import UserError

WEIGHTS = {'one': torch.arange(4.), 'two': torch.arange(4, 8.)}


def saved():
    file = io.BytesIO()
    torch.save(WEIGHTS, file)
    return file.getvalue()


def written_anew(method=zipfile.ZIP_STORED, more=()):
    """The parts of a good file, and more."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved())) as good, zipfile.ZipFile(file, 'w', method) as archive:
        for name, content in [*((name, good.read(name)) for name in good.namelist()), *more]:
            archive.writestr(name, content)
    return file.getvalue()


def twice():
    """The directory leads to zeros, a reader that goes by the first entry to the numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return written_anew(more=[('archive/data/0', bytes(16))])


def overlapping():
    """Both storages are the first one, checksum and all."""
    raw = bytearray(saved())
    entries = {}
    place = raw.find(b'PK\1\2')
    while place >= 0:
        length = struct.unpack_from('<H', raw, place + 28)[0]
        entries[bytes(raw[place + 46:place + 46 + length]).decode().split('/', 1)[1]] = place
        place = raw.find(b'PK\1\2', place + 4)
    first, second = entries['data/0'], entries['data/1']
    raw[second + 16:second + 28], raw[second + 42:second + 46] = raw[first + 16:first + 28], raw[first + 42:first + 46]
    return bytes(raw)


@pytest.mark.parametrize('make', [
    twice, overlapping, lambda: written_anew(zipfile.ZIP_DEFLATED),
    lambda: written_anew(zipfile.ZIP_DEFLATED, [('archive/data/9', bytes(1 << 20))])])
def test_refused(tmp_path, make):
    (tmp_path / 'x.pth').write_bytes(make())
    with pytest.raises(UserError, match='x.pth '):
        read_checkpoint(str(tmp_path / 'x.pth'))


def test_parts_that_are_stored_anew(tmp_path):
    """As tools write them that change one part."""
    (tmp_path / 'x.pth').write_bytes(written_anew(more=[('archive/note', b'x')]))
    assert all(torch.equal(value, WEIGHTS[name]) for name, value in read_checkpoint(str(tmp_path / 'x.pth')).items())
