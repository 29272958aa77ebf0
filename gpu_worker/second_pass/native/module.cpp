// Moonshine's decoder as a Python module; ../_native.pyi says what is in it.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "token_decoder.h"

namespace py = pybind11;

namespace {

using acoustic::Int8Linear;
using second_pass::Layer;
using second_pass::Rows;
using second_pass::Shape;
using second_pass::TokenDecoder;
using Array = py::array_t<float, py::array::c_style>;
using Tokens = py::array_t<std::int64_t, py::array::c_style>;

second_pass::Floats floats(const py::object& weight, std::size_t count) {
  const auto array = weight.cast<Array>();
  if (array.ndim() != 1 || static_cast<std::size_t>(array.size()) != count) {
    throw std::invalid_argument("a norm has a weight for each number");
  }
  return {array.data(), array.data() + count};
}

// A pair of (outputs, inputs) and (outputs,).
Int8Linear linear(const py::object& pair, std::size_t outputs, std::size_t inputs) {
  const auto [weight, bias] = pair.cast<std::pair<Array, Array>>();
  if (weight.ndim() != 2 || bias.ndim() != 1 ||
      static_cast<std::size_t>(weight.shape(0)) != outputs ||
      static_cast<std::size_t>(weight.shape(1)) != inputs ||
      static_cast<std::size_t>(bias.shape(0)) != outputs) {
    throw std::invalid_argument("a layer's weight is (outputs, inputs) and its bias (outputs,)");
  }
  return Int8Linear(weight.data(), bias.data(), outputs, inputs);
}

// The decoder, and the embedding that it does not copy.
struct Decoder {
  Array embedding;
  TokenDecoder decoder;

  static Decoder make(const std::vector<py::dict>& layers, const Array& embedding,
                      const py::object& norm, const py::object& output, std::size_t heads,
                      std::size_t rotated, float rotation_base, std::size_t hidden,
                      std::size_t max_tokens) {
    if (embedding.ndim() != 2) throw std::invalid_argument("embedding is (vocabulary, width)");
    const Shape shape{
        static_cast<std::size_t>(embedding.shape(1)), heads,     rotated, rotation_base, hidden,
        static_cast<std::size_t>(embedding.shape(0)), max_tokens};
    const std::size_t width = shape.width;
    if (heads == 0 || width % heads != 0 || rotated % 2 != 0 || rotated > shape.head()) {
      throw std::invalid_argument("heads must divide the width, and pairs of a head turn");
    }
    std::vector<Layer> made;
    for (const py::dict& layer : layers) {
      made.push_back(
          {floats(layer["norm_self"], width), floats(layer["norm_cross"], width),
           floats(layer["norm_mlp"], width), linear(layer["query_key_value"], 3 * width, width),
           linear(layer["self_out"], width, width), linear(layer["cross_query"], width, width),
           linear(layer["cross_out"], width, width), linear(layer["gated_in"], 2 * hidden, width),
           linear(layer["out"], width, hidden)});
    }
    return {embedding, TokenDecoder(shape, std::move(made), embedding.data(), floats(norm, width),
                                    linear(output, shape.vocabulary, width))};
  }

  Rows begin(const Array& keys, const Array& values, std::size_t rows) const {
    const Shape& shape = decoder.shape();
    for (const Array* array : {&keys, &values}) {
      if (array->ndim() != 4 || static_cast<std::size_t>(array->shape(0)) != decoder.layers() ||
          static_cast<std::size_t>(array->shape(1)) != shape.heads ||
          static_cast<std::size_t>(array->shape(2)) != shape.head() ||
          array->shape(3) != keys.shape(3)) {
        throw std::invalid_argument("keys and values are (layers, heads, head, frames)");
      }
    }
    return Rows(shape, keys.data(), values.data(), decoder.layers(), keys.shape(3), rows);
  }

  void step(const Tokens& tokens, Rows& state, Array& log_probs) {
    const auto rows = static_cast<py::ssize_t>(state.rows());
    if (tokens.ndim() != 1 || tokens.shape(0) != rows || log_probs.ndim() != 2 ||
        log_probs.shape(0) != rows ||
        static_cast<std::size_t>(log_probs.shape(1)) != decoder.shape().vocabulary) {
      throw std::invalid_argument("tokens are (rows,) and log_probs (rows, vocabulary)");
    }
    float* to = log_probs.mutable_data();
    const std::int64_t* from = tokens.data();
    const py::gil_scoped_release others_may_run;
    decoder.step(from, state, to);
  }
};

void follow(Rows& rows, const Tokens& parents) {
  if (parents.ndim() != 1 || static_cast<std::size_t>(parents.shape(0)) != rows.rows()) {
    throw std::invalid_argument("parents are (rows,)");
  }
  rows.follow(parents.data());
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  py::class_<Rows>(module, "Rows")
      .def("follow", &follow, py::arg("parents").noconvert())
      .def_property_readonly("length", &Rows::length);
  py::class_<Decoder>(module, "TokenDecoder")
      .def(py::init(&Decoder::make), py::kw_only(), py::arg("layers"), py::arg("embedding"),
           py::arg("norm"), py::arg("output"), py::arg("heads"), py::arg("rotated"),
           py::arg("rotation_base"), py::arg("hidden"), py::arg("max_tokens"))
      .def("begin", &Decoder::begin, py::arg("keys").noconvert(), py::arg("values").noconvert(),
           py::arg("rows"))
      .def("step", &Decoder::step, py::arg("tokens").noconvert(), py::arg("state"),
           py::arg("log_probs").noconvert());
}
