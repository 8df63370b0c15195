"""Registries of mmsimmim: direct children of MMEngine's, so that every OpenMMLab framework finds ``mmsimmim.X``."""

from mmengine import registry as root

SCOPE = 'mmsimmim'

MODELS = root.Registry('model', parent=root.MODELS, scope=SCOPE, locations=['mmsimmim.models'])
DATASETS = root.Registry('dataset', parent=root.DATASETS, scope=SCOPE, locations=['mmsimmim.datasets'])
DATA_SAMPLERS = root.Registry('data sampler', parent=root.DATA_SAMPLERS, scope=SCOPE, locations=['mmsimmim.datasets'])
TRANSFORMS = root.Registry('transform', parent=root.TRANSFORMS, scope=SCOPE, locations=['mmsimmim.datasets'])
HOOKS = root.Registry('hook', parent=root.HOOKS, scope=SCOPE, locations=['mmsimmim.engine'])
OPTIM_WRAPPER_CONSTRUCTORS = root.Registry('optimizer wrapper constructor', parent=root.OPTIM_WRAPPER_CONSTRUCTORS,
                                           scope=SCOPE, locations=['mmsimmim.engine'])
PARAM_SCHEDULERS = root.Registry('parameter scheduler', parent=root.PARAM_SCHEDULERS, scope=SCOPE,
                                 locations=['mmsimmim.engine'])
LOOPS = root.Registry('loop', parent=root.LOOPS, scope=SCOPE, locations=['mmsimmim.engine'])
METRICS = root.Registry('metric', parent=root.METRICS, scope=SCOPE, locations=['mmsimmim.evaluation'])
STRATEGIES = root.Registry('strategy', parent=root.STRATEGIES, scope=SCOPE, locations=['mmsimmim.engine'])
FUNCTIONS = root.Registry('function', parent=root.FUNCTIONS, scope=SCOPE, locations=['mmsimmim.datasets'])
