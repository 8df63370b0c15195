"""The files of two PyPI packages that the images of ``demo/data`` come from."""

import hashlib
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

PACKAGES = {'deepforest': '2.1.0', 'stardist': '0.9.2'}

# Every file taken from a package, with its SHA-256: wheels and source archives of all platforms carry the same bytes.
SHA256 = {
    'deepforest/data/2019_YELL_2_528000_4978000_image_crop2.png':
    'a9bdb0f4447fdd899d22f567e0e20ba8320c5413b2ad0cd0ac8d9f3b6e0f9767',
    'deepforest/data/2019_YELL_2_528000_4978000_image_crop2.xml':
    'bd431af6a5086d721eb731b22f5ea28cd8a8eab06883efc1c665391acbc68e11',
    'deepforest/data/2019_YELL_2_541000_4977000_image_crop.png':
    '178e58a23cc2642226a364a30f71bd9258ddc1b012c826f12250914a90c7a131',
    'deepforest/data/2019_YELL_2_541000_4977000_image_crop.xml':
    'cefe4b96888bacbf8af1674f000082e549aa707aa6590d545effb23e43f26631',
    'deepforest/data/OSBS_029.png': 'd9477c6a00e4902c7bee487d4c5582c3b8b9a2f77f3908a29628b816b291e6ee',
    'deepforest/data/OSBS_029.xml': '1f68c4011d7b351c29ca755072e77f3d16e6fd1f995bd05a9dd4eb952b55373c',
    'deepforest/data/SOAP_031.png': '506af051225465bd575e0e3ca0da1e6b8a269464d2144a0415829da78fcd1527',
    'deepforest/data/SOAP_061.png': '256508f1a62149bec4a80879077a865caf50e8cace095e6564c76befa480d424',
    'stardist/data/images/img2d.tif': 'f9ccc1571b92c861ff87e28463068b43f61bd47357ed0503f711e5cd1eb97750',
    'stardist/data/images/mask2d.tif': '59ad5e820b7982ca9d13e946fa6e7f64e2714899e00a2ae6c69aa79aad53d46f',
}


def fetch_packages(folder: Path) -> list[Path]:
    """Download the pinned packages (without their dependencies) through pip."""
    wanted = [f'{name}=={version}' for name, version in PACKAGES.items()]
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', str(folder), *wanted]
    if subprocess.run(command).returncode != 0:
        raise SystemExit(f'Could not download {" and ".join(wanted)} with pip. Get the files in another way, for '
                         f'instance with "pip download --no-deps {" ".join(wanted)}", and name them with --archives.')
    return sorted(folder.iterdir())


def read_sources(archives: Sequence[Path]) -> dict[str, bytes]:
    """Read the wanted files out of wheels (.whl) or source archives (.tar.gz) and verify each.

    Returns:
        dict: Path inside the package -> content.

    Raises:
        SystemExit: When a file is missing or is not the one this script was written for.
    """
    found = {}
    for archive in archives:
        for name, read in archive_members(archive):
            key = next((key for key in SHA256 if name == key or name.endswith('/' + key)), None)
            if key is not None:
                found[key] = read()
    versions = ', '.join(f'{name} {version}' for name, version in PACKAGES.items())
    for key, expected in SHA256.items():
        if key not in found:
            raise SystemExit(f'{key} is in none of {[str(path) for path in archives]}; expected are {versions}.')
        if hashlib.sha256(found[key]).hexdigest() != expected:
            raise SystemExit(f'{key} is not the file of {versions}: its SHA-256 differs from {expected}.')
    return found


def archive_members(path: Path) -> list[tuple[str, Callable[[], bytes]]]:
    """List (name, function that reads it) for the files of a zip or tar archive."""
    if zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        return [(name, lambda name=name: archive.read(name)) for name in archive.namelist()]
    if path.is_file() and tarfile.is_tarfile(path):
        archive = tarfile.open(path)
        return [(member.name, lambda member=member: archive.extractfile(member).read()) for member in archive
                if member.isfile()]
    raise SystemExit(f'{path} is neither a wheel nor a source archive.')


def decode(content: bytes, flags: int) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), flags)


def read_boxes(content: bytes) -> np.ndarray:
    """Read the boxes of a Pascal VOC file: float64 of shape (N, 4), x0 y0 x1 y1."""
    corners = ('xmin', 'ymin', 'xmax', 'ymax')
    boxes = ElementTree.fromstring(content).iter('bndbox')
    return np.array([[float(box.find(corner).text) for corner in corners] for box in boxes]).reshape(-1, 4)
