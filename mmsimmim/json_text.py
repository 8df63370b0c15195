"""Reading JSON that anybody may have written."""

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """``json.loads``, whose only error is ValueError: nested too deeply it raises RecursionError otherwise.

    Args:
        text (str | bytes): The whole of it; bytes in UTF-8, 16 or 32.

    Returns:
        Any: The content.

    Raises:
        ValueError: It is no JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error
