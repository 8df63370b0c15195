"""Files that name a call of a function, which ``torch.save`` writes as it stands, and what they begin from."""

import torch


class Call:
    """Pickles as the call of a function.

    Args:
        function (Callable): A global.
        *args (Any): Of the call.
    """

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def storage(values=range(16)):
    """A storage with these values, as float32."""
    return torch.tensor(list(values), dtype=torch.float32)._typed_storage()


def view(offset, size, stride, values=range(16)):
    """The call that makes a tensor of a storage, whether it fits or not."""
    return Call(torch._utils._rebuild_tensor_v2, storage(values), offset, size, stride, False, {})


def save(path, weight, legacy=False):
    """A file with one parameter, and its path."""
    torch.save({'state_dict': {'weight': weight}}, path, _use_new_zipfile_serialization=not legacy)
    return str(path)
