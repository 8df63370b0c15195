// mmcv's GPU kernels, included where they lie and run by one CPU thread, with the arguments of mmcv's operators.
#include <torch/extension.h>

#include "ms_deform_attn_cuda_kernel.cuh"
#include "nms_cuda_kernel.cuh"
#include "sigmoid_focal_loss_cuda_kernel.cuh"

using at::Tensor;

template <typename T>
static const T *data_or_null(const Tensor &tensor) {
  return tensor.numel() ? tensor.data_ptr<T>() : nullptr;
}

static void focal_forward(Tensor input, Tensor target, Tensor weight, Tensor output, double gamma, double alpha) {
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "focal_forward", [&] {
    sigmoid_focal_loss_forward_cuda_kernel<scalar_t>(
        output.numel(), input.data_ptr<scalar_t>(), target.data_ptr<int64_t>(), data_or_null<scalar_t>(weight),
        output.data_ptr<scalar_t>(), gamma, alpha, input.size(1));
  });
}

static void focal_backward(Tensor input, Tensor target, Tensor weight, Tensor grad_input, double gamma, double alpha) {
  AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "focal_backward", [&] {
    sigmoid_focal_loss_backward_cuda_kernel<scalar_t>(
        grad_input.numel(), input.data_ptr<scalar_t>(), target.data_ptr<int64_t>(), data_or_null<scalar_t>(weight),
        grad_input.data_ptr<scalar_t>(), gamma, alpha, input.size(1));
  });
}

static Tensor attention_forward(Tensor value, Tensor shapes, Tensor starts, Tensor locations, Tensor weights,
                                int64_t) {
  const int batch = value.size(0), heads = value.size(2), channels = value.size(3), queries = locations.size(1);
  Tensor output = at::zeros({batch, queries, heads * channels}, value.options());
  AT_DISPATCH_FLOATING_TYPES(value.scalar_type(), "attention_forward", [&] {
    ms_deformable_im2col_gpu_kernel<scalar_t>(
        output.numel(), value.data_ptr<scalar_t>(), shapes.data_ptr<int64_t>(), starts.data_ptr<int64_t>(),
        locations.data_ptr<scalar_t>(), weights.data_ptr<scalar_t>(), batch, value.size(1), heads, channels,
        locations.size(3), queries, locations.size(4), output.data_ptr<scalar_t>());
  });
  return output;
}

static void attention_backward(Tensor value, Tensor shapes, Tensor starts, Tensor locations, Tensor weights,
                               Tensor grad_output, Tensor grad_value, Tensor grad_locations, Tensor grad_weights,
                               int64_t) {
  const int batch = value.size(0), heads = value.size(2), channels = value.size(3), queries = locations.size(1);
  AT_DISPATCH_FLOATING_TYPES(value.scalar_type(), "attention_backward", [&] {
    ms_deformable_col2im_gpu_kernel_gm<scalar_t>(
        grad_output.numel(), grad_output.data_ptr<scalar_t>(), value.data_ptr<scalar_t>(), shapes.data_ptr<int64_t>(),
        starts.data_ptr<int64_t>(), locations.data_ptr<scalar_t>(), weights.data_ptr<scalar_t>(), batch, value.size(1),
        heads, channels, locations.size(3), queries, locations.size(4), grad_value.data_ptr<scalar_t>(),
        grad_locations.data_ptr<scalar_t>(), grad_weights.data_ptr<scalar_t>());
  });
}

// A GPU compares boxes in blocks of threads; what decides is devIoU, which the order of threads does not touch.
static Tensor nms_gpu(Tensor boxes, Tensor scores, double iou_threshold, int64_t offset) {
  const Tensor order = std::get<1>(scores.sort(0, /*descending=*/true));
  const Tensor sorted = boxes.index_select(0, order).contiguous();
  const float *corners = sorted.data_ptr<float>();
  const int64_t count = boxes.size(0);
  Tensor keep = at::ones({count}, at::kBool);
  bool *kept = keep.data_ptr<bool>();
  for (int64_t i = 0; i < count; i++)
    for (int64_t j = i + 1; kept[i] && j < count; j++)
      if (devIoU(corners + 4 * i, corners + 4 * j, offset, iou_threshold)) kept[j] = false;
  return order.masked_select(keep);
}

void define_gpu_kernels(pybind11::module_ &m) {
  using pybind11::arg;
  m.def("sigmoid_focal_loss_forward", &focal_forward, arg("input"), arg("target"), arg("weight"), arg("output"),
        arg("gamma"), arg("alpha"));
  m.def("sigmoid_focal_loss_backward", &focal_backward, arg("input"), arg("target"), arg("weight"), arg("grad_input"),
        arg("gamma"), arg("alpha"));
  m.def("ms_deform_attn_forward", &attention_forward);
  m.def("ms_deform_attn_backward", &attention_backward);
  m.def("nms_gpu", &nms_gpu, arg("boxes"), arg("scores"), arg("iou_threshold"), arg("offset"));
}
