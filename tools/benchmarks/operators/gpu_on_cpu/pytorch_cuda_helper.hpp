// In the place of mmcv's header of this name, which includes those of CUDA.
#pragma once

#include <ATen/ATen.h>
#include <cuda.h>

#include "common_cuda_helper.hpp"
