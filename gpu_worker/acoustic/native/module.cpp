// Layers in 8-bit integers as a Python module; ../_native.pyi says what is in it.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>

#include "ctc_head.h"
#include "int8_linear.h"
#include "transformer.h"

namespace py = pybind11;

namespace {

using acoustic::Activation;
using acoustic::Angles;
using acoustic::ConvolutionBlock;
using acoustic::ConvolutionHead;
using acoustic::FeedForward;
using acoustic::Int8Linear;
using acoustic::Norm;
using acoustic::Transformer;
using acoustic::TransformerLayer;
using Floats = py::array_t<float, py::array::c_style>;
using Rows = py::array_t<float, 0>;
using Marks = py::array_t<bool, py::array::c_style>;

Int8Linear make(const Floats& weight, const Floats& bias, bool may_use_amx) {
  if (weight.ndim() != 2 || bias.ndim() != 1 || bias.shape(0) != weight.shape(0)) {
    throw std::invalid_argument("weight must be (outputs, inputs) and bias (outputs,)");
  }
  return Int8Linear(weight.data(), bias.data(), weight.shape(0), weight.shape(1), may_use_amx);
}

Activation activation_of(const std::string& name) {
  if (name == "none") return Activation::kNone;
  if (name == "gelu") return Activation::kGelu;
  if (name == "silu") return Activation::kSilu;
  throw std::invalid_argument("an activation is none, gelu or silu");
}

void run(const Int8Linear& layer, const Rows& in, Floats& out, const std::string& activation) {
  const auto inputs = static_cast<py::ssize_t>(layer.inputs());
  const auto outputs = static_cast<py::ssize_t>(layer.outputs());
  constexpr auto kSize = static_cast<py::ssize_t>(sizeof(float));
  if (in.ndim() != 2 || in.shape(1) != inputs || out.ndim() != 2 || out.shape(1) != outputs ||
      in.shape(0) != out.shape(0)) {
    throw std::invalid_argument("in must be (rows, inputs) and out (rows, outputs)");
  }
  if (in.size() > 0 && ((inputs > 1 && in.strides(1) != kSize) || in.strides(0) % kSize != 0)) {
    throw py::type_error("the numbers of a row must lie side by side");
  }
  const Activation then = activation_of(activation);
  const float* from = in.data();
  const py::ssize_t stride = in.strides(0) / kSize;
  float* to = out.mutable_data();
  const std::size_t rows = in.shape(0);
  const py::gil_scoped_release others_may_run;
  layer.run(rows, [=](std::size_t row) { return from + static_cast<py::ssize_t>(row) * stride; },
            {to, layer.outputs()});
  if (then != Activation::kNone) acoustic::activate(then, to, rows * layer.outputs());
}

acoustic::Floats copied(const Floats& array) { return {array.data(), array.data() + array.size()}; }

// A weight, and a bias or None; each (width,).
Norm norm(const py::object& pair, std::size_t width) {
  const auto [weight, bias] = pair.cast<std::pair<Floats, std::optional<Floats>>>();
  const auto fits = [width](const Floats& array) {
    return array.ndim() == 1 && static_cast<std::size_t>(array.size()) == width;
  };
  if (!fits(weight) || (bias && !fits(*bias))) {
    throw std::invalid_argument("a norm has a weight, and maybe a bias, for each number");
  }
  return {copied(weight), bias ? copied(*bias) : acoustic::Floats()};
}

// A pair of (outputs, inputs) and (outputs,).
Int8Linear linear(const py::object& pair, std::size_t outputs, std::size_t inputs, bool amx) {
  const auto [weight, bias] = pair.cast<std::pair<Floats, Floats>>();
  if (weight.ndim() != 2 || static_cast<std::size_t>(weight.shape(0)) != outputs ||
      static_cast<std::size_t>(weight.shape(1)) != inputs) {
    throw std::invalid_argument("a layer's weight is (" + std::to_string(outputs) + ", " +
                                std::to_string(inputs) + ") here");
  }
  return make(weight, bias, amx);
}

FeedForward feed_forward(const py::dict& part, std::size_t width, std::size_t hidden,
                         Activation activation, bool amx) {
  return {norm(part["norm_mlp"], width), linear(part["in"], hidden, width, amx),
          linear(part["out"], width, hidden, amx), activation};
}

Transformer make_transformer(const std::vector<py::dict>& layers, const py::object& norm_out,
                             std::size_t width, std::size_t heads, std::size_t hidden, bool amx) {
  if (layers.empty()) throw std::invalid_argument("an encoder must have layers");
  if (heads == 0 || width % heads != 0) {
    throw std::invalid_argument("heads must divide the width");
  }
  std::vector<TransformerLayer> made;
  for (const py::dict& layer : layers) {
    made.push_back({norm(layer["norm"], width),
                    linear(layer["query_key_value"], 3 * width, width, amx),
                    linear(layer["joined"], width, width, amx),
                    feed_forward(layer, width, hidden, Activation::kGelu, amx)});
  }
  return {std::move(made), norm(norm_out, width), heads};
}

bool has_shape(const Floats& array, const std::vector<std::size_t>& shape) {
  if (static_cast<std::size_t>(array.ndim()) != shape.size()) return false;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (static_cast<std::size_t>(array.shape(axis)) != shape[axis]) return false;
  }
  return true;
}

void transform(const Transformer& network, const Floats& x, Floats& out, std::size_t begin,
               const std::optional<Marks>& heard,
               const std::optional<std::pair<Floats, Floats>>& angles) {
  const std::size_t width = network.width();
  if (x.ndim() != 3 || static_cast<std::size_t>(x.shape(2)) != width || out.ndim() != 3 ||
      out.shape(0) != x.shape(0)) {
    throw std::invalid_argument("x must be (batch, frames, width) and out (batch, wanted, ..)");
  }
  const std::size_t windows = x.shape(0), frames = x.shape(1), wanted = out.shape(1);
  const std::size_t stride = out.shape(2);
  if (begin + wanted > frames) throw std::invalid_argument("wanted frames must be some of x's");
  if (stride != width && stride != 2 * width) {
    throw std::invalid_argument("rows of out are the width of the network or twice that");
  }
  if (heard &&
      (heard->ndim() != 2 || heard->shape(0) != x.shape(0) || heard->shape(1) != x.shape(1))) {
    throw std::invalid_argument("heard must be (batch, frames)");
  }
  Angles turn;
  if (angles) {
    const std::vector<std::size_t> shape{frames, network.head()};
    if (!has_shape(angles->first, shape) || !has_shape(angles->second, shape)) {
      throw std::invalid_argument("angles must be (frames, head) each");
    }
    turn = {angles->first.data(), angles->second.data()};
  }
  const float* from = x.data();
  const bool* marks = heard ? heard->data() : nullptr;
  float* to = out.mutable_data();
  const py::gil_scoped_release others_may_run;
  for (std::size_t window = 0; window < windows; ++window) {
    float* below = to + window * wanted * stride;
    float* top = below + (stride - width);
    network.run(from + window * frames * width, frames,
                marks == nullptr ? nullptr : marks + window * frames, turn, begin, begin + wanted,
                top, stride > width ? below : nullptr, stride);
  }
}

ConvolutionHead make_head(const py::object& norm_in, const py::object& in,
                          const std::vector<py::dict>& blocks, const py::object& norm_out,
                          std::size_t inputs, std::size_t width, std::size_t hidden,
                          std::size_t past, bool amx) {
  std::vector<ConvolutionBlock> made;
  for (const py::dict& block : blocks) {
    const auto taps = block["taps"].cast<Floats>();
    const auto bias = block["taps_bias"].cast<Floats>();
    if (taps.ndim() != 2 || static_cast<std::size_t>(taps.shape(1)) != width ||
        static_cast<std::size_t>(taps.shape(0)) <= past || !has_shape(bias, {width})) {
      throw std::invalid_argument("taps must be (more than those before, width), bias (width,)");
    }
    made.push_back({norm(block["norm"], width), copied(taps), copied(bias), past,
                    feed_forward(block, width, hidden, Activation::kSilu, amx)});
  }
  return {norm(norm_in, inputs), linear(in, width, inputs, amx), std::move(made),
          norm(norm_out, width)};
}

void run_head(const ConvolutionHead& head, const Floats& joined, Floats& out) {
  if (joined.ndim() != 3 || static_cast<std::size_t>(joined.shape(2)) != head.inputs()) {
    throw std::invalid_argument("joined must be (batch, frames, inputs)");
  }
  const std::size_t windows = joined.shape(0), frames = joined.shape(1);
  if (frames < head.context() ||
      !has_shape(out, {windows, frames - head.context(), head.width()})) {
    throw std::invalid_argument("out must be (batch, frames - context, width)");
  }
  const float* from = joined.data();
  float* to = out.mutable_data();
  const py::gil_scoped_release others_may_run;
  for (std::size_t window = 0; window < windows; ++window) {
    head.run(from + window * frames * head.inputs(), frames,
             to + window * (frames - head.context()) * head.width());
  }
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  module.def("int8_is_supported", &acoustic::int8_is_supported);
  module.def("amx_is_supported", &acoustic::amx_is_supported);
  py::class_<Int8Linear>(module, "Int8Linear")
      .def(py::init(&make), py::kw_only(), py::arg("weight"), py::arg("bias"),
           py::arg("may_use_amx") = true)
      .def("run", &run, py::arg("rows").noconvert(), py::arg("out").noconvert(),
           py::arg("activation") = "none");
  py::class_<Transformer>(module, "Transformer")
      .def(py::init(&make_transformer), py::kw_only(), py::arg("layers"), py::arg("norm"),
           py::arg("width"), py::arg("heads"), py::arg("hidden"), py::arg("may_use_amx") = true)
      .def("run", &transform, py::arg("x").noconvert(), py::arg("out").noconvert(), py::kw_only(),
           py::arg("begin") = 0, py::arg("heard") = py::none(), py::arg("angles") = py::none());
  py::class_<ConvolutionHead>(module, "ConvolutionHead")
      .def(py::init(&make_head), py::kw_only(), py::arg("norm_in"), py::arg("linear_in"),
           py::arg("blocks"), py::arg("norm_out"), py::arg("inputs"), py::arg("width"),
           py::arg("hidden"), py::arg("past"), py::arg("may_use_amx") = true)
      .def("run", &run_head, py::arg("joined").noconvert(), py::arg("out").noconvert())
      .def_property_readonly("context", &ConvolutionHead::context);
}
