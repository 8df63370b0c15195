"""Parameter names and layouts of other code bases: tables of rules that apply in both directions."""

from .hugging_face import HUGGING_FACE
from .official import OFFICIAL
from .openmmlab import BACKBONE_FILE, DETECTOR, ENCODER, OFFICIAL_DETECTOR, SEGMENTOR, WHOLE_MODEL
from .rules import Form, Layout, Rule, Step
from .timm import TIMM

# A file is in the first of these that knows all its keys.
READ = [*OFFICIAL, *WHOLE_MODEL, *ENCODER, *TIMM, *HUGGING_FACE, OFFICIAL_DETECTOR]

# A file is written in the first form that has a place for all its parameters.
WRITTEN = {
    'mmsimmim': WHOLE_MODEL,
    'official': [*OFFICIAL, OFFICIAL_DETECTOR],
    'mmpretrain': WHOLE_MODEL,
    'mmdet': DETECTOR,
    'mmseg': SEGMENTOR,
    'timm': TIMM,
    'hf': HUGGING_FACE,
    'backbone': BACKBONE_FILE,
}

__all__ = ['READ', 'WRITTEN', 'Form', 'Layout', 'Rule', 'Step']
