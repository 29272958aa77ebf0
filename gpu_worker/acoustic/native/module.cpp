// Layers in 8-bit integers as a Python module; ../_native.pyi says what is in it.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "int8_linear.h"

namespace py = pybind11;

namespace {

using acoustic::Int8Linear;
using Floats = py::array_t<float, py::array::c_style>;

Int8Linear make(const Floats& weight, const Floats& bias, bool may_use_amx) {
  if (weight.ndim() != 2 || bias.ndim() != 1 || bias.shape(0) != weight.shape(0)) {
    throw std::invalid_argument("weight must be (outputs, inputs) and bias (outputs,)");
  }
  return Int8Linear(weight.data(), bias.data(), weight.shape(0), weight.shape(1), may_use_amx);
}

void run(const Int8Linear& layer, const Floats& in, Floats& out) {
  const auto inputs = static_cast<py::ssize_t>(layer.inputs());
  const auto outputs = static_cast<py::ssize_t>(layer.outputs());
  if (in.ndim() != 2 || in.shape(1) != inputs || out.ndim() != 2 || out.shape(1) != outputs ||
      in.shape(0) != out.shape(0)) {
    throw std::invalid_argument("in must be (rows, inputs) and out (rows, outputs)");
  }
  const float* from = in.data();
  float* to = out.mutable_data();
  const std::size_t rows = in.shape(0);
  const py::gil_scoped_release others_may_run;
  layer.run(from, rows, to);
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  module.def("int8_is_supported", &acoustic::int8_is_supported);
  module.def("amx_is_supported", &acoustic::amx_is_supported);
  py::class_<Int8Linear>(module, "Int8Linear")
      .def(py::init(&make), py::kw_only(), py::arg("weight"), py::arg("bias"),
           py::arg("may_use_amx") = true)
      .def("run", &run, py::arg("rows").noconvert(), py::arg("out").noconvert());
}
