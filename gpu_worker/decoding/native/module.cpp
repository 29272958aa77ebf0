// The compiled half of the beam search as a Python module; ../_native.pyi says what is in it.
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <stdexcept>

#include "ctc_forward.h"
#include "prefix_beams.h"

namespace py = pybind11;

namespace {

using namespace decoding;

template <typename Number>
using Array = py::array_t<Number, py::array::c_style>;

void advance(PrefixBeams& beams, const Array<float>& rows, const Array<std::int32_t>& likely,
             const Array<std::int32_t>& ends) {
  const auto row = rows.unchecked<2>();
  const auto end = ends.unchecked<1>();
  const auto width = static_cast<py::ssize_t>(beams.width());
  if (row.shape(1) != width || row.shape(0) != end.shape(0) || likely.ndim() != 1) {
    throw std::invalid_argument("rows, tokens and ends do not belong together");
  }
  for (py::ssize_t i = 0; i < likely.size(); ++i) {
    if (likely.at(i) < 0 || likely.at(i) >= width) throw std::invalid_argument("no such token");
  }
  std::int32_t begin = 0;
  for (py::ssize_t frame = 0; frame < row.shape(0); ++frame) {
    if (end(frame) <= begin || end(frame) > likely.size()) {
      throw std::invalid_argument("a frame needs a likely token");
    }
    beams.step(rows.data(frame, 0), likely.data() + begin, end(frame) - begin);
    begin = end(frame);
  }
}

const Beam& beam_at(const PrefixBeams& beams, std::size_t number) {
  return beams.beams().at(number);
}

py::list ends(PrefixBeams& beams) {
  py::list ends;
  for (const End& end : beams.ends()) {
    ends.append(
        py::make_tuple(end.sentence, end.score, end.beam, beam_at(beams, end.beam).length > 0));
  }
  return ends;
}

py::list words(const PrefixBeams& beams, std::size_t number) {
  py::list words;
  for (const TimedWord& word : beams.words(beam_at(beams, number))) {
    words.append(py::make_tuple(word.text, word.start_frame, word.end_frame, word.log_prob,
                                word.min_log_prob, word.tokens));
  }
  return words;
}

py::list dropped(const PrefixBeams& beams) {
  py::list dropped;
  for (const Dropped& one : beams.dropped()) {
    dropped.append(py::make_tuple(one.kept, one.lost, one.behind));
  }
  return dropped;
}

void ctc_forward(const Array<double>& rows, const Array<std::int64_t>& tokens,
                 const Array<double>& skip, Array<double>& scores) {
  const auto row = rows.unchecked<2>();
  const auto token = tokens.unchecked<1>();
  const auto states = static_cast<std::size_t>(token.shape(0));
  if (skip.ndim() != 1 || skip.size() != tokens.size() || scores.ndim() != 1 ||
      scores.size() != tokens.size() + 2) {
    throw std::invalid_argument("tokens, skips and scores do not belong together");
  }
  for (py::ssize_t i = 0; i < token.shape(0); ++i) {
    if (token(i) < 0 || token(i) >= row.shape(1)) throw std::invalid_argument("no such token");
  }
  for (py::ssize_t frame = 0; frame < row.shape(0); ++frame) {
    ctc_frame(rows.data(frame, 0), tokens.data(), skip.data(), states, scores.mutable_data());
  }
}

}  // namespace

PYBIND11_MODULE(_native, module) {
  py::class_<Lexicon, std::shared_ptr<Lexicon>>(module, "Lexicon")
      .def(py::init([](const Array<std::uint64_t>& prefixes) {
        return std::make_shared<Lexicon>(prefixes.data(), prefixes.size());
      }))
      .def("holds", &Lexicon::holds);

  py::class_<Token>(module, "Token")
      .def(py::init<std::string, std::uint64_t, std::uint64_t, std::int32_t, bool, bool>(),
           py::kw_only(), py::arg("text"), py::arg("spelling"), py::arg("power"), py::arg("length"),
           py::arg("opens_word"), py::arg("closes_word"));

  py::class_<LanguageScores>(module, "LanguageScores")
      .def(py::init<ScoreWord, double, double, double, std::size_t, std::shared_ptr<Lexicon>,
                    double, double>(),
           py::kw_only(), py::arg("score_word"), py::arg("alpha"), py::arg("beta"), py::arg("ln10"),
           py::arg("memory"), py::arg("lexicon"), py::arg("unknown_score"),
           py::arg("usual_word_length"))
      .def("unfinished", &LanguageScores::unfinished);

  py::class_<PrefixBeams>(module, "PrefixBeams")
      .def(py::init<std::vector<Token>, std::int32_t, std::size_t, double,
                    std::optional<LanguageScores>>(),
           py::kw_only(), py::arg("tokens"), py::arg("blank"), py::arg("beam_size"),
           py::arg("prune_log_prob"), py::arg("language"))
      .def("reset", &PrefixBeams::reset)
      .def("advance", &advance)
      .def("common_length", &PrefixBeams::common_length)
      .def("words", &words)
      .def("completed", [](PrefixBeams& beams,
                           std::size_t beam) { return beams.completed(beam_at(beams, beam)); })
      .def("ends", &ends)
      .def("dropped", &dropped)
      .def_property_readonly("sentences", &PrefixBeams::sentences,
                             py::return_value_policy::reference_internal);

  module.def("ctc_forward", &ctc_forward, py::arg("rows").noconvert(),
             py::arg("tokens").noconvert(), py::arg("skip").noconvert(),
             py::arg("scores").noconvert());

  py::class_<Sentences>(module, "Sentences")
      .def("parent", &Sentences::parent)
      .def("last_word", &Sentences::last_word)
      .def("words", &Sentences::words)
      .def("log10s", &Sentences::log10s)
      .def("log10", &Sentences::log10)
      .def("score", &Sentences::score)
      .def("history", &Sentences::history);
}
