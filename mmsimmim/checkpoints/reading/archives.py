"""The zip archive that ``torch.save`` writes: parts as they are, one after another, each name once.

Python's ``zipfile`` and PyTorch's reader understand odd archives differently, and small ones can unfold to any size.
Here an archive is read only if it is as plain as PyTorch writes it, and from one open file.
"""

import struct
import zipfile
from typing import BinaryIO

# Signature, 22 bytes that the directory repeats, lengths of the name and of what follows it.
LOCAL_HEADER = struct.Struct('<4s22xHH')
# Bit of the flags: encrypted.
ENCRYPTED = 1


def require_plain(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse an archive that ``torch.save`` does not write.

    Args:
        archive (zipfile.ZipFile): The archive.
        size (int): Bytes of its file.

    Raises:
        zipfile.BadZipFile: Parts are compressed, encrypted or overlap, or two have the same name.
    """
    parts = archive.infolist()
    if len({part.filename for part in parts}) < len(parts):
        raise zipfile.BadZipFile('two of its parts have the same name')
    for part in parts:
        if part.compress_type != zipfile.ZIP_STORED or part.flag_bits & ENCRYPTED:
            raise zipfile.BadZipFile(f'its part {part.filename!r} is compressed or encrypted, which torch.save never '
                                     'does')
        if part.file_size != part.compress_size:
            raise zipfile.BadZipFile(f'its part {part.filename!r} has two sizes')
    if sum(part.file_size for part in parts) > size:
        raise zipfile.BadZipFile('its parts are larger than the file')


class Parts:
    """Where the parts of an archive are, by their names below its one folder.

    Args:
        file (BinaryIO): The archive.
        size (int): Its bytes.

    Raises:
        zipfile.BadZipFile: It is damaged, or not plain.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        with zipfile.ZipFile(file) as archive:
            require_plain(archive, size)
            infos = archive.infolist()
        folder = next((info.filename[:-len('data.pkl')] for info in infos if info.filename.endswith('/data.pkl')), '')
        self.file, self.size = file, size
        self._infos = {info.filename.removeprefix(folder): info for info in infos}

    def find(self, name: str) -> tuple[int, int]:
        """First byte and number of bytes of a part.

        Raises:
            zipfile.BadZipFile: There is none, or not where the directory says.
        """
        if name not in self._infos:
            raise zipfile.BadZipFile(f'its part {name!r} is missing')
        info = self._infos[name]
        self.file.seek(info.header_offset)
        header = self.file.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size:
            raise zipfile.BadZipFile(f'its part {name!r} is not where its directory says')
        signature, *lengths = LOCAL_HEADER.unpack(header)
        begin = info.header_offset + LOCAL_HEADER.size + sum(lengths)
        if signature != b'PK\3\4' or begin + info.file_size > self.size:
            raise zipfile.BadZipFile(f'its part {name!r} is not where its directory says')
        return begin, info.file_size

    def read(self, name: str, default: bytes | None = None) -> bytes:
        """The bytes of a part, or the default where there is none."""
        if default is not None and name not in self._infos:
            return default
        begin, size = self.find(name)
        self.file.seek(begin)
        return self.file.read(size)
