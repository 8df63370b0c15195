"""How a folder of images is pre-trained: a recipe from their number and sizes, the encoder, the device and the time.

Nothing here imports PyTorch. The rule and what it was derived from: ``docs/recipe.md``.
"""

from .batches import Machine
from .choose import choose_recipe
from .encoder import Encoder
from .recipe import Recipe
from .speed import images_in, seconds_for

__all__ = ['Encoder', 'Machine', 'Recipe', 'choose_recipe', 'images_in', 'seconds_for']
