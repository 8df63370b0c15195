"""How code bases name and lay out the parameters that we have: tables of rules that run both ways."""

from .official import OFFICIAL
from .openmmlab import BACKBONE_FILE, DETECTOR, ENCODER, SEGMENTOR, WHOLE_MODEL
from .rules import Form, Layout, Rule, Step

# A file is in the first of these that knows all its keys.
READ = [*OFFICIAL, *WHOLE_MODEL, *ENCODER]

# A file is written in the first form that has a place for all its keys.
WRITTEN = {
    'mmsimmim': WHOLE_MODEL,
    'official': OFFICIAL,
    'mmpretrain': WHOLE_MODEL,
    'mmdet': DETECTOR,
    'mmseg': SEGMENTOR,
    'backbone': BACKBONE_FILE,
}

__all__ = ['READ', 'WRITTEN', 'Form', 'Layout', 'Rule', 'Step']
