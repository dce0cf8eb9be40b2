"""Where do an extractor's published weights come from? A file known by its hash, read without executing anything."""

import zipfile
from pathlib import Path

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

from gan_sntg.core.errors import InputError
from gan_sntg.core.fingerprint import file_sha256
from gan_sntg.core.tensor_files import load_tensors, load_unchecked

INCEPTION_FILE = URL_INCEPTION_V3.rpartition("/")[2]
INCEPTION_HASH = INCEPTION_FILE.rpartition("-")[2].removesuffix(".pth")  # the first digits of its SHA-256, as torch.hub names files


def inception_file(folder: Path, download: bool) -> Path:
    """The standard weights in `folder`, checked by their hash; fetched there where `download` allows it. Raises InputError."""
    path = folder / INCEPTION_FILE
    if not path.is_file() and download:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(path), INCEPTION_HASH)
        except (OSError, RuntimeError) as error:
            raise InputError(f"{URL_INCEPTION_V3} cannot be fetched ({error}); put the file into {folder} by hand") from error
    if not path.is_file():
        raise InputError(
            f"{path} is not there: the Inception weights that torch-fidelity publishes, whose SHA-256 begins with {INCEPTION_HASH}. Put "
            "them there, or add --download; without internet, --extractor efficientnet_lite0 measures scores of its own name"
        )
    if not file_sha256(path).startswith(INCEPTION_HASH):
        raise InputError(
            f"{path} is not the published file: its SHA-256 does not begin with {INCEPTION_HASH}; delete it and fetch it again"
        )
    return path


def tensors(path: Path) -> dict[str, Tensor]:
    """The state in a file of weights, on the CPU, nothing unpickled but tensors. Raises InputError."""
    try:
        state = load_tensors(path) if zipfile.is_zipfile(path) else load_unchecked(path)
    except Exception as error:  # see load_tensors
        raise InputError(f"{path} is not a readable file of weights ({type(error).__name__}); fetch it again") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} does not hold the tensors of a network alone; fetch it again")
    return state
